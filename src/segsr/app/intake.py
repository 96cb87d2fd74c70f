"""Uploads: strangers' bytes to photographs and masks, by the command line's own reader."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from segsr.app.limits import Limits
from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.mask import read_mask
from segsr.files.photo import Photo, read_photo
from segsr.files.pixels import read_format, read_size

FORMATS = frozenset(("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "PPM", "AVIF"))
"""What is decoded for strangers, less than the command line reads: HEIC, GIF and JPEG 2000 are left
out. Pillow's other formats include EPS, which runs a program of its own."""
_LONGEST = 100


def plain_name(name: str | None) -> str:
    """Return what a visitor's file is called from here on: no folder, nothing that is not printed.

    It is a word of the noise's key and of sentences, never a path.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return kept[-_LONGEST:] if kept.strip(".") else "photo"


def read_upload(path: Path, name: str, limits: Limits) -> Photo:
    """Return the photograph that a visitor handed in as `name`; the file lies at `path`.

    Raises:
        SegSRError: If it is empty, too large, of a format that is not taken, or no photograph. The
            sentence speaks of `name` alone.
    """
    try:
        _check(path, limits)
        return read_photo(path)
    except SegSRError as error:
        raise SegSRError(without_path(str(error), path, name)) from None


def read_mask_upload(path: Path, name: str, limits: Limits) -> Int[Tensor, "h w"]:
    """Return the mask that a visitor handed in, as `read_upload`; it may have x4 the sides.

    Raises:
        SegSRError: As `read_upload`, or if it has colours instead of class indices.
    """
    try:
        _check(path, limits, 16)
        return read_mask(path)
    except SegSRError as error:
        raise SegSRError(without_path(str(error), path, name)) from None


def painted(values: bytes, height: int, width: int, classes: int) -> Int[Tensor, "h w"]:
    """Return what was painted over a photograph: a byte for each pixel, row by row.

    Raises:
        SegSRError: If there are not as many bytes as pixels, or one is no class.
    """
    if len(values) != height * width:
        raise SegSRError(
            f"what was painted has {len(values)} values, but the photograph {height * width}"
            " pixels: reload the page"
        )
    cells = np.frombuffer(values, np.uint8).reshape(height, width)
    if ((cells >= classes) & (cells != IGNORE_INDEX)).any():
        raise SegSRError(
            f"what was painted holds a class that is none: use 0 to {classes - 1}, or"
            f" {IGNORE_INDEX} where the model decides"
        )
    return torch.from_numpy(cells.astype(np.int64))


def without_path(sentence: str, path: Path, name: str) -> str:
    """Return `sentence` with `name` where it speaks of `path`, and of no folder of this machine."""
    return sentence.replace(str(path), name).replace(str(path.parent), "").strip()


def _check(path: Path, limits: Limits, times: int = 1) -> None:
    size = path.stat().st_size
    if not size:
        raise SegSRError(f"{path} is empty: choose a photograph")
    if size > limits.bytes:
        raise SegSRError(
            f"{path} has {size / 2**20:.1f} MB, but {limits.bytes / 2**20:.0f} MB are taken here:"
            " choose a smaller file, or use segsr upscale on your own machine"
        )
    if (kind := read_format(path)) not in FORMATS:
        raise SegSRError(
            f"{path} is {kind or 'of no known format'}, which is not taken here: convert it to PNG"
            " or JPEG"
        )
    height, width = read_size(path)
    if height * width > times * limits.pixels:
        raise SegSRError(
            f"{path} has {width} x {height} pixels, but {times * limits.pixels / 1e6:g} million"
            " are restored here: shrink or cut it, or use segsr upscale on your own machine"
        )
