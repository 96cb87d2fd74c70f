"""Methods over test sets: results written, then measured like any method's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segsr.evaluation.cost import device_name, measured
from segsr.evaluation.evaluate import Evaluation, evaluate_folders
from segsr.evaluation.image_set import ImageSet
from segsr.evaluation.methods import Method, Outputs
from segsr.evaluation.pairing import PhotoFiles, pair_files
from segsr.files.atomic import write_text
from segsr.files.mask import write_mask
from segsr.files.photo import read_photo, write_photo
from segsr.metrics.image_metric import ImageMetric
from segsr.progress import SILENT, Progress

COSTS = "costs.json"
Costs = dict[str, dict[str, Any]]
"""Of each photograph by name: `seconds`, `memory` (GiB or null) and `device`."""


@dataclass
class Result:
    """What a method made of a test set.

    Attributes:
        label: Name of the method.
        folders: By role: those of the test set, `restored`, and `mask` if the method has masks.
        evaluation: What was measured.
        seconds: Of each photograph by name, for methods that ran here.
        memory: GiB at the worst moment of any photograph.
        device: What the method ran on.
    """

    label: str
    folders: Mapping[str, Path]
    evaluation: Evaluation
    seconds: dict[str, float] = field(default_factory=dict)
    memory: float | None = None
    device: str = ""


def run_method(
    method: Method | Outputs,
    test_set: ImageSet,
    folders: Mapping[str, Path],
    metrics: Mapping[str, ImageMetric],
    settings: Mapping[str, str],
    output: Path,
    *,
    batch_size: int = 4,
    device: torch.device | str = "cpu",
    progress: Progress = SILENT,
) -> Result | None:
    """Restore a test set with one method and measure the results; None if it has none of it.

    Results that exist are kept, so an interrupted run goes on where it was.

    Args:
        method: What restores, or where its results lie.
        test_set: Name of the photographs.
        folders: Of the test set by role.
        metrics: By name; those whose inputs are missing are left out.
        settings: Settings of each metric by name, as text.
        output: Folder of the method's `restored/`, `mask/` and records.
        batch_size: Images measured at once.
        device: Of the metrics.
        progress: Hears of each photograph and each problem.
    """
    roles = dict(folders)
    costs: Costs = {}
    problems: list[str] = []
    where = ""
    if isinstance(method, Outputs):
        if test_set.name not in method.folders:
            return None
        roles["restored"] = Path(method.folders[test_set.name])
        if method.masks and test_set.name in method.masks:
            roles["mask"] = Path(method.masks[test_set.name])
    else:
        problems = _restore_all(method, folders, output, progress)
        roles["restored"] = output / "restored"
        if (output / "mask").is_dir():
            roles["mask"] = output / "mask"
        costs = _read_costs(output)
        where = " and ".join(sorted({cost["device"] for cost in costs.values()}))
    measurable = {name: m for name, m in metrics.items() if set(m.inputs) <= set(roles)}
    evaluation = evaluate_folders(
        {role: path for role, path in roles.items() if path.is_dir()},
        measurable,
        settings,
        output,
        batch_size=batch_size,
        device=device,
        title=f"{test_set.name}: {method.label}, measuring",
        progress=progress,
    )
    evaluation.problems[:0] = problems
    memories = [c["memory"] for c in costs.values() if c["memory"] is not None]
    seconds = {name: c["seconds"] for name, c in costs.items()}
    return Result(method.label, roles, evaluation, seconds, max(memories, default=None), where)


def mean_seconds(result: Result) -> float | None:
    """Return the mean time of a photograph; None for a method that did not run here."""
    return float(np.mean(list(result.seconds.values()))) if result.seconds else None


def _restore_all(
    method: Method, folders: Mapping[str, Path], output: Path, progress: Progress
) -> list[str]:
    """Write what is not there yet of `restored/` and `mask/`; return a sentence per failure."""
    sources = {role: path for role, path in folders.items() if role in ("lq", "hq")}
    photos = pair_files(sources).photos
    costs = _read_costs(output)
    todo = [photo for photo in photos if not (output / "restored" / f"{photo.name}.png").exists()]
    problems: list[str] = []
    progress.start(f"{output.parent.name}: {method.label}", len(photos))
    progress.advance(len(photos) - len(todo))
    for i, photo in enumerate(todo):
        try:
            if i == 0:
                # what is compiled and cached at first is not timed
                method.restore(*_read(photo), photo.name)
            costs[photo.name] = _restore_to(method, photo, output)
            write_text(output / COSTS, json.dumps(costs, indent=1) + "\n")
        except Exception as error:  # one photograph must not cost the others
            reason = " ".join(str(error).split()) or type(error).__name__
            problems.append(f"{method.label} failed on {photo.files['lq']}: {reason}")
            progress.tell("failed", problems[-1])
        progress.advance()
    return problems


def _restore_to(method: Method, photo: PhotoFiles, output: Path) -> dict[str, Any]:
    """Write one photograph's result; the photograph last, so that it stands for both files."""
    lq, hq = _read(photo)
    with measured(method.device) as cost:
        restored = method.restore(lq, hq, photo.name)
    if restored.mask is not None:
        write_mask(output / "mask" / f"{photo.name}.png", restored.mask.cpu())
    write_photo(output / "restored" / f"{photo.name}.png", restored.image.cpu())
    return {
        "seconds": cost.seconds,
        "memory": cost.memory,
        "device": device_name(method.device),
    }


def _read(photo: PhotoFiles) -> tuple[Tensor, Tensor | None]:
    hq = photo.files.get("hq")
    return read_photo(photo.files["lq"]).image, None if hq is None else read_photo(hq).image


def _read_costs(output: Path) -> Costs:
    path = output / COSTS
    if not path.exists():
        return {}
    costs: Costs = json.loads(path.read_text(encoding="utf-8"))
    return costs
