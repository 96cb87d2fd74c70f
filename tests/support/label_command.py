"""`segsr label` in tests: a recipe whose masks tell of their batches, photographs, the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segsr import cli

BY_BATCH = """
defaults:
  - label
  - override labeler: null
  - _self_
batch_size: 3
shard_size: 8
labeler:
  _target_: labelers.ByBatch
"""
"""See `labelers.ByBatch`."""


def photos_of_two_sizes(folder: Path, picture: Callable[..., Path]) -> Path:
    """Writes 24 photographs into `folder`, every third one tall."""
    for i in range(24):
        picture(folder / f"{i:02d}.png", *((20, 12) if i % 3 else (12, 20)))
    return folder


def label(photos: Path, output: Path, recipe: Path, *arguments: str) -> int:
    """The exit status of `segsr label`."""
    return cli.main(["label", str(photos), "-o", str(output), "-c", str(recipe), *arguments])


def masks_of(folder: Path) -> dict[str, bytes]:
    """Every PNG of a folder by its name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def times_of(folder: Path) -> dict[str, int]:
    """When every PNG of a folder was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}
