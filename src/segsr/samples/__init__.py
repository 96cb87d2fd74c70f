"""Photographs that ship with segsr, with masks: the offline default data."""

from __future__ import annotations

from pathlib import Path


def samples_folder() -> Path:
    """The folder with `images/` (512 px JPEG) and `masks/` (class indices, indexed PNG)."""
    return Path(__file__).parent
