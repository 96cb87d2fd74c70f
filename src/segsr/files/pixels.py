"""Image files to tensors of bytes: what training, labelling and figures read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.files.decode import decode, decode_labels, eight_bits, opened
from segsr.files.exif import exif_orientation


def read_image(path: Path) -> UInt8[Tensor, "3 h w"]:
    """The photograph in `path`, upright, as 8-bit RGB; transparency is dropped.

    Raises:
        SegSRError: The file is missing, damaged, no image, or of another pixel format.
    """
    with opened(path) as image:
        pixels = eight_bits(decode(image))
    colours = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., [0, 0, 0]]
    return torch.from_numpy(np.array(colours.transpose(2, 0, 1), order="C"))


def read_labels(path: Path) -> UInt8[Tensor, "h w"]:
    """The labels in `path`, in the source's own numbers; those above 255 become IGNORE_INDEX.

    Raises:
        SegSRError: The file is missing, damaged, or a colour image.
    """
    with opened(path) as image:
        labels = decode_labels(image)
    labels[(labels < 0) | (labels > 255)] = IGNORE_INDEX
    return torch.from_numpy(labels.astype(np.uint8))


def read_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright photograph in `path`, from its header alone.

    Raises:
        SegSRError: The file is missing or no image; damage behind the header goes unnoticed.
    """
    with opened(path) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # whose size Pillow turns by itself
            width, height = image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
        turned = exif_orientation(image) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def read_format(path: Path) -> str:
    """Pillow's name of the format of the image `path`, from its header alone; see `read_size`."""
    with opened(path) as image:
        return image.format or ""
