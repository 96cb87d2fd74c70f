"""Masks in files: indexed PNGs, whose pixel values are classes and whose palette shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.files.pixels import read_labels
from segsr.palette import COLOURS, IGNORE_COLOUR


def read_mask(path: str | Path) -> Int[Tensor, "h w"]:
    """Return the class indices of an indexed or grey PNG, int64 (H, W).

    Raises:
        SegSRError: If the file cannot be read or holds colours instead of class indices.
    """
    return read_labels(Path(path)).long()


def write_mask(
    path: str | Path,
    mask: Int[Tensor, "h w"] | UInt8[Tensor, "h w"],
    palette: Sequence[Sequence[int]] | None = None,
) -> None:
    """Write `mask` as an indexed PNG: pixel values are classes, the palette shows them in colour.

    Args:
        path: The new file, `.png`; missing folders are made.
        mask: Class indices, or `IGNORE_INDEX` (shown in `IGNORE_COLOUR`).
        palette: One RGB colour in 0 to 255 for each class; `segsr.palette.COLOURS` if None.

    Raises:
        SegSRError: If the suffix is another, a value has no colour, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise SegSRError(f"{path}: a mask needs exact values, so its suffix must be .png.")
    labels = mask.cpu().numpy()
    inside = labels.astype(np.uint8)
    present = np.array(Image.fromarray(inside).histogram()[:IGNORE_INDEX]).nonzero()[0]
    highest = int(present.max(initial=0))
    if palette is None:
        palette = COLOURS[:IGNORE_INDEX]
    if highest >= len(palette) or (inside != labels).any():
        strange = labels[((labels < 0) | (labels >= len(palette))) & (labels != IGNORE_INDEX)]
        raise SegSRError(
            f"{path}: the mask holds the value {int(strange[0])}, but the palette has "
            f"{len(palette)} colours: use classes 0 to {len(palette) - 1} or {IGNORE_INDEX}."
        )
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = np.asarray(palette, dtype=np.uint8)
    colours[IGNORE_INDEX] = IGNORE_COLOUR
    picture = Image.fromarray(inside)
    picture.putpalette(colours.tobytes())
    write_atomic(path, _png(picture))


def write_grey(path: Path, values: UInt8[Tensor, "h w"]) -> None:
    """Write values of 0 to 255, such as a confidence, as a grey PNG.

    Raises:
        SegSRError: If the file cannot be written.
    """
    write_atomic(path, _png(Image.fromarray(values.cpu().numpy())))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
