"""Image files and tensors to the pictures that are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from segsr.classes import CLASSES
from segsr.files.pixels import read_image, read_labels
from segsr.palette import colourise

Picture = npt.NDArray[np.uint8]
"""(H, W, 3), RGB."""


def photograph(source: Path | Tensor) -> Picture:
    """Return the picture in a file, or of a tensor (3, H, W) in [0, 1]."""
    if isinstance(source, Path):
        pixels: Picture = read_image(source).permute(1, 2, 0).numpy()
        return pixels
    bytes_ = (source.detach().cpu().float().clamp(0, 1) * 255).round()
    picture: Picture = bytes_.permute(1, 2, 0).numpy().astype(np.uint8)
    return picture


def class_map(source: Path | Tensor) -> tuple[Picture, frozenset[int]]:
    """Return a mask (H, W), from a file or a tensor, in colours, and the classes that occur."""
    labels = (read_labels(source) if isinstance(source, Path) else source.detach().cpu()).numpy()
    present = {int(i) for i in np.unique(labels)} & set(range(len(CLASSES)))
    return colourise(labels), frozenset(present)


def enlarge(picture: Picture, size: tuple[int, int]) -> Picture:
    """Return `picture` at a size (width, height), every pixel a block (nearest neighbour)."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))
