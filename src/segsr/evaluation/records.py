"""What was measured of each image, as JSON lines: one image a line.

    {"name": "photo", "files": {"restored": [bytes, mtime_ns], ...}, "pixels": {"hq": sha256},
     "metrics": {"psnr": {...}}, "values": {"psnr": 27.1, "labels": {"shape": ..., "cells": ...}}}

`metrics` holds the settings of each metric, so that a later run knows what it need not measure
again. Confusion matrices are kept as their cells [row, column, count] that are not 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from segsr.errors import SegSRError


@dataclass
class ImageRecord:
    """One image.

    Attributes:
        name: Stem of the photograph.
        files: Size in bytes and time of last change (ns) of each file by role.
        pixels: sha256 of the pixels of each role of the test set.
        metrics: Settings of each metric that was measured, by its name.
        values: Measurements by field: a number, or a matrix as a dict.
    """

    name: str
    files: dict[str, list[int]] = field(default_factory=dict)
    pixels: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def stamp(files: Mapping[str, Path]) -> dict[str, list[int]]:
    """Return what changes when a file is written again, by role."""
    stats = {role: path.stat() for role, path in files.items()}
    return {role: [stat.st_size, stat.st_mtime_ns] for role, stat in stats.items()}


def encode(value: Tensor) -> Any:
    """Return one image's measurement as JSON: a number, or the cells of a matrix.

    Raises:
        SegSRError: If a number is not finite.
    """
    if value.ndim == 0:
        number = float(value)
        if not np.isfinite(number):
            raise SegSRError(f"the score is {number}, which is no measurement")
        return number
    counts = value.cpu().numpy()
    cells = [[int(i), int(j), int(counts[i, j])] for i, j in np.argwhere(counts)]
    return {"shape": list(counts.shape), "cells": cells}


def decode(value: Any) -> npt.NDArray[np.float64]:
    """Return the measurement that `encode` wrote."""
    if not isinstance(value, dict):
        return np.asarray(value, dtype=np.float64)
    matrix = np.zeros(value["shape"])
    for row, column, count in value["cells"]:
        matrix[row, column] = count
    return matrix


def stack(records: Iterable[ImageRecord], field_name: str) -> npt.NDArray[np.float64]:
    """Return one field of the records that have it, (n, ...)."""
    return np.stack([decode(r.values[field_name]) for r in records if field_name in r.values])


def read_records(path: Path) -> dict[str, ImageRecord]:
    """Return the records of a file by name; the last one of an image counts.

    A line that a killed run left half written is passed over; no file means no records.
    """
    records: dict[str, ImageRecord] = {}
    if not path.exists():
        return records
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = ImageRecord(**json.loads(line))
        except (ValueError, TypeError):
            continue
        records[record.name] = record
    return records


def as_line(record: ImageRecord) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(asdict(record), sort_keys=True) + "\n"
