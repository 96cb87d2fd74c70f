"""A list of photographs in shards, each with a record that says it is finished.

A shard is so many neighbours of the list. It is the unit that devices and machines share out among
themselves, and its record is what a later run goes by: it need not look at a million masks again.

    MASKS/shards/00000.json   {"digest": ..., "photos": 256, "pixels": {"0": 8123, ...},
                               "failed": {"a/b.jpg": "why"}}
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segsr.errors import SegSRError
from segsr.files.atomic import write_text
from segsr.labeling.photos import PhotoToLabel

FOLDER = "shards"


@dataclass(frozen=True)
class Shard:
    """Some neighbours of a list.

    Attributes:
        index: Its place among the shards.
        items: Its photographs.
    """

    index: int
    items: tuple[PhotoToLabel, ...]

    @property
    def digest(self) -> str:
        """A fingerprint of what it names; the photographs may move as a whole."""
        names = "\n".join(f"{item.photo.name}\t{item.mask}" for item in self.items)
        return hashlib.sha256(names.encode()).hexdigest()[:16]


@dataclass
class ShardRecord:
    """What became of a shard.

    Attributes:
        digest: That of the shard.
        photos: How many it has.
        made: How many of its masks the run that wrote the record drew.
        pixels: How many pixels of its masks have each value.
        failed: Why a photograph has no mask, by its path.
        confidence: The folder that has the confidence of its masks, if one has.
    """

    digest: str
    photos: int
    made: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    confidence: str | None = None


def cut(items: Sequence[PhotoToLabel], size: int) -> list[Shard]:
    """Return the shards of `items`, each of `size` photographs but the last.

    Raises:
        SegSRError: If `size` is less than 1.
    """
    if size < 1:
        raise SegSRError(f"shard_size must be at least 1 photograph, got {size}: leave it out")
    return [
        Shard(index, tuple(items[start : start + size]))
        for index, start in enumerate(range(0, len(items), size))
    ]


def read_record(shard: Shard, output: Path) -> ShardRecord | None:
    """Return the record of `shard`, or None if there is none or it is of other photographs."""
    try:
        content = json.loads(_path(shard, output).read_text(encoding="utf-8"))
        if content["digest"] != shard.digest:
            return None
        pixels = Counter({int(value): int(n) for value, n in content["pixels"].items()})
        return ShardRecord(**{**content, "pixels": pixels})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_record(shard: Shard, output: Path, record: ShardRecord) -> None:
    """Mark `shard` as finished, whole or not at all.

    Raises:
        SegSRError: If the file cannot be written.
    """
    write_text(_path(shard, output), json.dumps(vars(record), sort_keys=True) + "\n")


def is_finished(shard: Shard, output: Path, confidence: str | None = None) -> bool:
    """Whether every photograph of `shard` has its mask, and its confidence, by the shard's record.

    A shard with failures is not finished: its bad files may have been replaced since.
    """
    record = read_record(shard, output)
    if record is None or record.failed:
        return False
    return confidence is None or record.confidence == confidence


def _path(shard: Shard, output: Path) -> Path:
    return output / FOLDER / f"{shard.index:05d}.json"
