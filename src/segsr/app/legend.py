"""What a mask shows, in words and in colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.palette import COLOURS, IGNORE_COLOUR, Colour

UNSURE = "unsure"
Mask = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Entry:
    """A class of a mask.

    Attributes:
        name: Of the class; `UNSURE` for 255.
        colour: Of the class in masks.
        share: Of the mask's pixels.
        confidence: How sure of the class the network is, 0 to 1, if that is known.
    """

    name: str
    colour: Colour
    share: float
    confidence: float | None = None

    @property
    def css(self) -> str:
        """The colour as style sheets write it."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


def class_names(count: int) -> tuple[str, ...]:
    """Return the names of a network's classes: segsr's own if it has as many, else numbers."""
    return CLASSES if count == len(CLASSES) else tuple(f"class {i}" for i in range(count))


def legend(
    mask: Mask, names: Sequence[str], confidence: npt.NDArray[np.floating] | None = None
) -> list[Entry]:
    """Return the classes in `mask`, the largest first, what is unsure last.

    Args:
        mask: Classes (H, W).
        names: By class.
        confidence: Of each pixel (H, W), 0 to 1; a class's is the mean of its pixels'.
    """
    flat = mask.ravel()
    counts = np.bincount(flat, minlength=256)
    sums = None if confidence is None else np.bincount(flat, confidence.ravel(), minlength=256)
    entries = [
        Entry(
            names[i] if i < len(names) else f"class {i}",
            COLOURS[i],
            float(counts[i] / flat.size),
            None if sums is None else float(sums[i] / counts[i]),
        )
        for i in sorted(np.flatnonzero(counts[:IGNORE_INDEX]).tolist(), key=lambda i: -counts[i])
    ]
    if counts[IGNORE_INDEX]:
        entries.append(Entry(UNSURE, IGNORE_COLOUR, float(counts[IGNORE_INDEX] / flat.size)))
    return entries


def sure_shares(mask: Mask, classes: Mask) -> npt.NDArray[np.float64]:
    """Return a confidence (H, W) for `legend`: of each class, the share of it that is sure.

    Args:
        mask: With 255 where the model is unsure.
        classes: The likeliest classes all the same.
    """
    sure = np.bincount(classes.ravel(), (mask == classes).ravel(), minlength=256)
    counts = np.bincount(classes.ravel(), minlength=256)
    table: npt.NDArray[np.float64] = sure / np.maximum(counts, 1)
    return table[classes]


def overlay(mask: Mask) -> bytes:
    """Return `mask` in its colours as a PNG to be laid over the photograph; unsure is clear."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(np.array(COLOURS, dtype=np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=IGNORE_INDEX)
    return buffer.getvalue()
