"""Image files to tensors of bytes, each complaint one sentence that names the file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: Path) -> UInt8[Tensor, "3 h w"]:
    """The photograph in `path`, upright, as 8-bit RGB; transparency is dropped.

    Raises:
        SegSRError: The file is missing, damaged, or no image.
    """
    upright = ImageOps.exif_transpose(_open(path))
    if upright.mode in _SIXTEEN_BIT:  # Pillow's own conversion clips them
        grey = (np.asarray(upright).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
        pixels = np.stack([grey] * 3, axis=2)
    else:
        pixels = np.array(upright.convert("RGB"))
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def read_labels(path: Path) -> UInt8[Tensor, "h w"]:
    """The labels in `path`, in the source's own numbers; those above 255 become IGNORE_INDEX.

    Raises:
        SegSRError: The file is missing, damaged, or a colour image.
    """
    image = _open(path)
    if image.mode not in ("1", "L", "P", *_SIXTEEN_BIT):
        raise SegSRError(
            f"mask {path} is a {image.mode} image, labels must be grey or indexed, for a"
            " mask holds class indices: convert its colours to them"
        )
    labels = np.asarray(image).astype(np.int64)
    labels[(labels < 0) | (labels > 255)] = IGNORE_INDEX
    return torch.from_numpy(labels.astype(np.uint8))


def read_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright photograph in `path`, from its header alone.

    Raises:
        SegSRError: The file is missing or no image; damage behind the header goes unnoticed.
    """
    with _complaints(path), Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def _open(path: Path) -> Image.Image:
    """The decoded image in `path`."""
    with _complaints(path), Image.open(path) as image:
        image.load()
    return image


@contextmanager
def _complaints(path: Path) -> Iterator[None]:
    """Turns what Pillow raises into a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise SegSRError(
            f"no file {path}: a list names it, or it was removed after its folder was read"
        ) from error
    except Image.DecompressionBombError as error:
        raise SegSRError(f"{path} is too large ({error}): split or shrink it first") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SegSRError(f"{path} is not a readable image ({reason}): replace it") from error
