"""Files to tensors of bytes, each complaint one sentence that names the file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.data.image_folder import Files
from segsr.errors import SegSRError
from segsr.vocabularies import IDENTITY, lookup_table

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class Photo:
    """The pixels of one sample as bytes; a loader moves a quarter of what floats would be.

    Attributes:
        name: File name without folders.
        hq: (3, H, W) in 0..255.
        mask: (H, W) class index or IGNORE_INDEX, if the sample has one.
        lq: (3, H / SCALE, W / SCALE) in 0..255, if it is given and not to be synthesised.
        lq_only: `hq` is no ground truth but `lq` with its pixels repeated, so that it is cropped
            alike; it goes into no batch.
    """

    name: str
    hq: UInt8[Tensor, "3 h w"]
    mask: UInt8[Tensor, "h w"] | None = None
    lq: UInt8[Tensor, "3 lh lw"] | None = None
    lq_only: bool = False


def read_sample(files: Files) -> Photo:
    """The pixels of one sample.

    Raises:
        SegSRError: A file is missing or unreadable, or sizes do not fit each other.
    """
    files.check()
    if files.lq_only:
        pixels = read_image(files.image)
        repeated = pixels.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2)
        return Photo(files.name, repeated, lq=pixels, lq_only=True)
    hq = read_image(files.image)
    height, width = hq.shape[1:]
    mask = lq = None
    if files.mask is not None:
        table = lookup_table(IDENTITY if files.class_map is None else files.class_map)
        mask = torch.from_numpy(table[read_labels(files.mask).numpy()])
        if mask.shape != hq.shape[1:]:
            raise SegSRError(
                f"mask {files.mask} is {mask.shape[1]}x{mask.shape[0]}, its image {files.image} "
                f"{width}x{height}: resize the mask with nearest neighbour"
            )
    if files.lq is not None:
        lq = read_image(files.lq)
        if (height, width) != (SCALE * lq.shape[1], SCALE * lq.shape[2]):
            raise SegSRError(
                f"LQ image {files.lq} is {lq.shape[2]}x{lq.shape[1]}, which is not 1/{SCALE} of "
                f"the {width}x{height} of {files.image}: crop the pair to fit"
            )
    return Photo(files.name, hq, mask, lq)


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
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_labels(path: Path) -> UInt8[Tensor, "h w"]:
    """The labels in `path`, in the source's own numbers; those above 255 become IGNORE_INDEX.

    Raises:
        SegSRError: The file is missing, damaged, or a colour image.
    """
    image = _open(path)
    if image.mode not in ("1", "L", "P", *_SIXTEEN_BIT):
        raise SegSRError(
            f"mask {path} is a {image.mode} image, labels must be grey or indexed: "
            "convert its colours to class numbers"
        )
    labels = np.asarray(image).astype(np.int64)
    labels[(labels < 0) | (labels > 255)] = IGNORE_INDEX
    return torch.from_numpy(labels.astype(np.uint8))


def _open(path: Path) -> Image.Image:
    """The decoded image in `path`."""
    try:
        with Image.open(path) as image:
            image.load()
        return image
    except FileNotFoundError as error:
        raise SegSRError(f"no file {path}: it was there when the folder was listed") from error
    except Image.DecompressionBombError as error:
        raise SegSRError(f"{path} is too large ({error}): split or shrink it first") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SegSRError(f"{path} is not a readable image ({reason}): replace it") from error
