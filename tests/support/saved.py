"""What a run has left in its folder, to compare it with another's."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch


def checkpoint(folder: Path) -> dict[str, Any]:
    """The newest checkpoint of a run."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def tensors(value: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """Every tensor within nested dicts and lists, by its path."""
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    if not isinstance(value, dict | list | tuple):
        return {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: t for key, v in items for k, t in tensors(v, f"{prefix}.{key}").items()}


def assert_equal_to_the_bit(one: Path, other: Path) -> None:
    """Fails unless two runs stand at the same step with equal weights, average and optimizer."""
    ours, theirs = checkpoint(one), checkpoint(other)
    assert ours["global_step"] == theirs["global_step"]
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        found, expected = tensors(ours[part]), tensors(theirs[part])
        assert found.keys() == expected.keys()
        assert expected
        for name, tensor in expected.items():
            assert torch.equal(found[name], tensor), f"{part}{name}"


def losses(folder: Path) -> dict[int, dict[str, float]]:
    """The training losses of a run by step, over all its interruptions."""
    rows: dict[int, dict[str, float]] = {}
    for file in sorted(folder.glob("csv/version_*/metrics.csv")):
        for row in csv.DictReader(file.read_text().splitlines()):
            found = {k: float(v) for k, v in row.items() if k.startswith("train/") and v}
            if found:
                rows[int(row["step"])] = found
    return rows
