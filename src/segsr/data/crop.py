"""Crops of a photograph together with its mask and its LQ version."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.data.read import SamplePixels
from segsr.errors import SegSRError


def random_crop(
    photo: SamplePixels,
    size: int,
    generator: torch.Generator,
    *,
    min_scale: float = 1.0,
    flip: bool = True,
) -> SamplePixels:
    """A square of `size` pixels from somewhere in `photo`.

    A photograph smaller than that is first padded: the image by reflection, the mask with
    IGNORE_INDEX. An LQ version is dropped: training synthesises its own.

    Args:
        photo: Bytes of any size.
        size: Side of the square.
        generator: All that is random comes from it.
        min_scale: The photograph is first shrunk by a factor drawn from [min_scale, 1], antialiased
            (the mask by nearest neighbour), but never below `size`.
        flip: Mirror left and right half of the time.
    """
    photo = pad(replace(photo, lq=None), size)
    height, width = photo.hq.shape[1:]
    u = torch.rand(4, generator=generator).tolist()
    scale = min_scale + (1 - min_scale) * u[0]
    side = min(round(size / scale), height, width)  # shrinking a window is shrinking the whole
    top, left = int(u[1] * (height - side + 1)), int(u[2] * (width - side + 1))
    photo = _window(photo, top, left, side, side)
    if side != size:
        photo = _shrink(photo, size)
    return _mirror(photo) if flip and u[3] < 0.5 else photo


def random_window(
    photo: SamplePixels, size: int, generator: torch.Generator, *, flip: bool = True
) -> SamplePixels:
    """A square of `size` pixels from somewhere in `photo`, with the same view of its LQ version.

    Args:
        photo: Bytes of any size, with an LQ version; padded as in `random_crop`.
        size: Side of the square, a multiple of SCALE.
        generator: All that is random comes from it.
        flip: Mirror left and right half of the time.
    """
    photo = pad(photo, size)
    u = torch.rand(3, generator=generator).tolist()
    places = ((side - size) // SCALE + 1 for side in photo.hq.shape[1:])
    top, left = (int(x * n) * SCALE for x, n in zip(u, places, strict=False))
    photo = _window(photo, top, left, size, size)
    return _mirror(photo) if flip and u[2] < 0.5 else photo


def centre_crop(photo: SamplePixels, size: int) -> SamplePixels:
    """The middle square of `size` pixels; a smaller photograph is padded as in `random_crop`.

    The window begins at a multiple of SCALE, so that an LQ version is cut to the same view.
    """
    photo = pad(photo, size)
    height, width = photo.hq.shape[1:]
    return _window(photo, _middle(height, size), _middle(width, size), size, size)


def crop_to_multiple(photo: SamplePixels, multiple: int) -> SamplePixels:
    """The middle of `photo`, each side the largest multiple of `multiple` that fits.

    Raises:
        SegSRError: A side is shorter than `multiple`.
    """
    height, width = photo.hq.shape[1:]
    if min(height, width) < multiple:
        raise SegSRError(
            f"{photo.name} is {width}x{height}, each side must have at least {multiple} pixels: "
            "leave it out"
        )
    new_height, new_width = height - height % multiple, width - width % multiple
    top, left = _middle(height, new_height), _middle(width, new_width)
    return _window(photo, top, left, new_height, new_width)


def pad(photo: SamplePixels, size: int) -> SamplePixels:
    """`photo`, with right and bottom padding where a side is below `size`.

    By reflection; the mask with IGNORE_INDEX.
    """
    height, width = photo.hq.shape[1:]
    bottom, right = max(0, size - height), max(0, size - width)
    if not bottom and not right:
        return photo
    mask, lq = photo.mask, photo.lq
    if mask is not None:
        mask = F.pad(mask, (0, right, 0, bottom), value=IGNORE_INDEX)
    if lq is not None:
        lq = _reflect(lq, bottom // SCALE, right // SCALE)
    return replace(photo, hq=_reflect(photo.hq, bottom, right), mask=mask, lq=lq)


def _reflect(image: UInt8[Tensor, "3 h w"], bottom: int, right: int) -> UInt8[Tensor, "3 ph pw"]:
    # numpy, unlike torch, reflects again where the padding is wider than the image
    padded = np.pad(image.numpy(), ((0, 0), (0, bottom), (0, right)), mode="reflect")
    return torch.from_numpy(padded)


def _middle(length: int, size: int) -> int:
    return (length - size) // 2 // SCALE * SCALE


def _window(photo: SamplePixels, top: int, left: int, height: int, width: int) -> SamplePixels:
    rows, columns = slice(top, top + height), slice(left, left + width)
    lq_rows = slice(top // SCALE, (top + height) // SCALE)
    lq_columns = slice(left // SCALE, (left + width) // SCALE)
    return replace(
        photo,
        hq=photo.hq[:, rows, columns],
        mask=None if photo.mask is None else photo.mask[rows, columns],
        lq=None if photo.lq is None else photo.lq[:, lq_rows, lq_columns],
    )


def _shrink(photo: SamplePixels, size: int) -> SamplePixels:
    hq = F.interpolate(photo.hq[None], (size, size), mode="bicubic", antialias=True)[0]
    mask = photo.mask
    if mask is not None:
        mask = F.interpolate(mask[None, None], (size, size), mode="nearest-exact")[0, 0]
    return replace(photo, hq=hq, mask=mask)


def _mirror(photo: SamplePixels) -> SamplePixels:
    return replace(
        photo,
        hq=photo.hq.flip(2),
        mask=None if photo.mask is None else photo.mask.flip(1),
        lq=None if photo.lq is None else photo.lq.flip(2),
    )
