"""Photographs between files and tensors, with what a restoration must not lose on the way.

Kept: transparency, EXIF (rotation applied, its tag removed), the colour profile, greyness, and
16 bits a channel in PNG and in grey TIFF and PGM files. Limits: of a file with several pictures
only the first is read; 16-bit colour TIFF is read at 8 bits; XMP and IPTC blocks are dropped.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.files.decode import decode, opened
from segsr.files.exif import exif_to_keep
from segsr.files.formats import WRITTEN
from segsr.files.png16 import encode_png16

_WITH_ALPHA = {"PNG", "WEBP", "TIFF"}
_ROWS = 256  # in exact numbers at a time
_DEEP_GREY = {"TIFF", "PPM"}
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # BT.601, as Pillow's own conversion to grey


@dataclass(frozen=True)
class Photo:
    """An upright photograph in memory, and what of its file has to survive.

    Attributes:
        image: RGB in [0, 1]; a grey photograph has three equal channels.
        alpha: Opacity in [0, 1], or None if the file has none.
        exif: EXIF block without orientation and storage tags, or None.
        icc: Colour profile of the pixel values, or None (then sRGB is meant).
        grey: Whether the file is grey.
        bits: Bits a channel, 8 or 16.
    """

    image: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "h w"] | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    grey: bool = False
    bits: int = 8


def read_photo(path: str | Path) -> Photo:
    """Return the photograph in the file `path`, upright; see `segsr.files.decode.decode`.

    Raises:
        SegSRError: If the file is missing, damaged, no image, or of another pixel format.
    """
    with opened(Path(path)) as file:
        samples = decode(file)
        exif = exif_to_keep(file)
        icc = None if file.mode in ("CMYK", "LAB") else file.info.get("icc_profile")
    values = torch.from_numpy(samples.astype(np.float32) / np.iinfo(samples.dtype).max)
    values = values.permute(2, 0, 1)
    channels = len(values)
    return Photo(
        image=values[:3].contiguous() if channels > 2 else values[:1].repeat(3, 1, 1),
        alpha=values[-1].contiguous() if channels in (2, 4) else None,
        exif=exif,
        icc=icc or None,
        grey=channels < 3,
        bits=8 * samples.dtype.itemsize,
    )


def write_photo(
    path: str | Path,
    image: Float[Tensor, "3 h w"] | UInt8[Tensor, "3 h w"],
    like: Photo | None = None,
    *,
    quality: int | None = None,
) -> None:
    """Write `image` to `path`, whole or not at all, in the format its suffix names.

    JPEG is written without chroma subsampling. What the format cannot hold is
    given up: JPEG, BMP, PPM and PGM are flattened onto white, only PNG (and TIFF and PGM, grey and
    without transparency) has 16 bits, BMP, PPM and PGM have no metadata.

    Args:
        path: The new file; missing folders are made.
        image: RGB in [0, 1]; values outside are clipped. Or 8-bit samples, for large ones.
        like: The photograph that `image` is restored from: its transparency (enlarged bicubically
            to the new size), EXIF, colour profile, greyness and depth are kept. Its own image is
            not looked at.
        quality: Of JPEG and WebP, 1 to 100; 95 if None. Other formats lose nothing and ignore it.

    Raises:
        SegSRError: If the suffix names no known format, there is no such quality, or the file
            cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise SegSRError(
            f"{path}: unknown image format '{path.suffix}'. Use one of {' '.join(WRITTEN)}."
        )
    if quality is not None and not 1 <= quality <= 100:
        raise SegSRError(f"{path}: quality {quality} is none: give a number from 1 to 100")
    kind, options = WRITTEN[suffix]
    if quality is not None and "quality" in options:
        options = {**options, "quality": quality}
    like = like or Photo(torch.empty(3, 0, 0))
    if suffix == ".pgm" and not like.grey:
        raise SegSRError(f"{path}: PGM holds grey alone. Write colours as .ppm or .png.")
    opacity = like.alpha is not None and kind in _WITH_ALPHA
    channels = (1 if like.grey else 3) + opacity
    deep = like.bits == 16 and (kind == "PNG" or (kind in _DEEP_GREY and channels == 1))
    samples = _samples(image, like, channels, np.uint16 if deep else np.uint8)
    icc = like.icc if _profile_fits(like.icc, grey=like.grey and kind != "WEBP") else None
    if deep and kind == "PNG":
        write_atomic(path, encode_png16(samples, exif=like.exif, icc=icc))
        return
    metadata = {"exif": like.exif, "icc_profile": icc}
    options = {**options, **{key: value for key, value in metadata.items() if value is not None}}
    picture = Image.fromarray(samples[..., 0] if channels == 1 else samples)
    write_atomic(path, _encode(path, picture, kind, options))


def _samples(
    image: Tensor, like: Photo, channels: int, dtype: type[np.unsignedinteger[Any]]
) -> Any:
    """Return (h, w, `channels`) samples of `dtype`, rounded to nearest, a few rows at a time."""
    height, width = image.shape[-2:]
    alpha = None
    if like.alpha is not None:
        small = like.alpha.cpu()[None, None]
        resized = F.interpolate(small, (height, width), mode="bicubic", antialias=True)
        alpha = resized[0].clamp(0, 1)
    samples, top = np.empty((height, width, channels), dtype), np.iinfo(dtype).max
    for first in range(0, height, _ROWS):
        rows = slice(first, first + _ROWS)
        values = image[:, rows].detach().cpu()
        values = values.float() / 255 if image.dtype == torch.uint8 else values.float().clamp(0, 1)
        if like.grey:
            weights = values.new_tensor(_LUMA_WEIGHTS).view(3, 1, 1)
            values = (values * weights).sum(dim=0, keepdim=True)
        if alpha is not None:
            a = alpha[:, rows]
            written = channels in (2, 4)
            values = torch.cat([values, a]) if written else values * a + (1 - a)
        exact = values.permute(1, 2, 0).numpy().astype(np.float64)
        samples[rows] = np.round(exact * top).astype(dtype)
    return samples


def _profile_fits(icc: bytes | None, *, grey: bool) -> bool:
    """Whether the profile speaks of the channels that are written (ICC.1, header bytes 16-19)."""
    return icc is not None and icc[16:20] == (b"GRAY" if grey else b"RGB ")


def _encode(path: Path, picture: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format=kind, **options)
    except (OSError, ValueError, struct.error) as error:
        raise SegSRError(
            f"{path}: {kind} cannot hold this picture ({error}). Write it as PNG."
        ) from error
    return buffer.getvalue()
