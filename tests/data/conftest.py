"""Small folders of photographs and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture():
    """Writes one random image, or one of labels, and returns its path."""

    def picture(path: Path, width: int = 48, height: int = 40, labels: int | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(sum(path.name.encode()))
        if labels is None:
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        else:
            pixels = rng.integers(0, labels, (height, width), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return picture


@pytest.fixture
def folder(tmp_path, picture):
    """Seven photographs in images/ and their labels, 0 to 4, in labels/."""
    for i in range(7):
        picture(tmp_path / "images" / f"photo.{i}.png")
        picture(tmp_path / "labels" / f"photo.{i}.png", labels=5)
    return tmp_path
