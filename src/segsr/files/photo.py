"""Photographs between files and tensors, with what a restoration must not lose on the way.

Kept: transparency, EXIF (rotation applied, its tag removed), XMP, IPTC, the colour profile,
greyness and 16 bits a channel, as far as the format that is written has them (docs/formats.md).
Of a file with several pictures the first is read.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from segsr.errors import SegSRError
from segsr.files.decode import decode, opened, pictures
from segsr.files.exif import exif_to_keep
from segsr.files.formats import WRITTEN
from segsr.files.metadata import in_photoshop_resource, iptc_to_keep, xmp_to_keep

_ALWAYS_RGB = {"WEBP", "AVIF"}
_JPEG_BLOCK = 65_000  # bytes of a segment, less its heading; a profile may take several


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
        xmp: XMP packet without the orientation, or None.
        iptc: IPTC records, or None.
        note: What of the file was not read, for the user; None if all was.
    """

    image: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "h w"] | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    grey: bool = False
    bits: int = 8
    xmp: bytes | None = None
    iptc: bytes | None = None
    note: str | None = None


def read_photo(path: str | Path) -> Photo:
    """Return the photograph in the file `path`, upright; see `segsr.files.decode.decode`.

    Raises:
        SegSRError: If the file is missing, damaged, no image, or of another pixel format.
    """
    with opened(Path(path)) as file:
        count = pictures(file)
        samples = decode(file)
        exif = exif_to_keep(file)
        xmp, iptc = xmp_to_keep(file), iptc_to_keep(file)
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
        xmp=xmp,
        iptc=iptc,
        note=f"the first of its {count} pictures was read" if count > 1 else None,
    )


def write_photo(
    path: str | Path,
    image: Float[Tensor, "3 h w"] | UInt8[Tensor, "3 h w"],
    like: Photo | None = None,
    *,
    quality: int | None = None,
) -> None:
    """Write `image` to `path`, whole or not at all, in the format its suffix names.

    JPEG and AVIF are written without chroma subsampling. What the format cannot hold is given up:
    JPEG, BMP, PPM and PGM are flattened onto white, only PNG and TIFF (and PGM, grey) have 16 bits,
    BMP, PPM and PGM no metadata. Memory does not grow with an 8-bit picture in formats that are
    written row by row: PNG, JPEG and TIFF.

    Args:
        path: The new file; missing folders are made.
        image: RGB in [0, 1]; values outside are clipped. Or 8-bit samples, for large ones.
        like: The photograph that `image` is restored from: its transparency (enlarged bicubically
            to the new size), EXIF, colour profile, greyness and depth are kept. Its own image is
            not looked at.
        quality: Of JPEG, WebP (95 if None) and AVIF (90), 1 to 100. Others lose nothing.

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
    kind, options = WRITTEN[suffix], WRITTEN[suffix].options
    if quality is not None and "Q" in options:
        options = {**options, "Q": quality}
    height, width = image.shape[-2:]
    if max(height, width) > kind.side:
        raise SegSRError(
            f"{path}: {kind.kind} cannot hold this picture ({width} x {height} pixels, its limit is"
            f" {kind.side}). Write it as PNG."
        )
    like = like or Photo(torch.empty(3, 0, 0))
    if suffix == ".pgm" and not like.grey:
        raise SegSRError(f"{path}: PGM holds grey alone. Write colours as .ppm or .png.")
    from segsr.files.encode import picture_of, write_picture  # loads libvips

    opacity = like.alpha is not None and kind.alpha
    deep = like.bits == 16 and (kind.deep == "all" or (kind.deep == "grey" and like.grey))
    picture = picture_of(image, alpha=like.alpha, grey=like.grey, opacity=opacity, deep=deep)
    write_picture(path, picture, kind, options, _metadata(like, kind.kind))


def _metadata(like: Photo, kind: str) -> dict[str, bytes]:
    """Return what of the metadata of `like` a file of `kind` is given."""
    icc = like.icc if _profile_fits(like.icc, grey=like.grey and kind not in _ALWAYS_RGB) else None
    iptc = like.iptc if kind in ("JPEG", "TIFF") else None
    if iptc is not None and kind == "JPEG":
        iptc = in_photoshop_resource(iptc)
    blocks = {
        "exif": like.exif,
        "icc": icc,
        "xmp": like.xmp,
        "iptc": iptc,
    }
    kept = {name: content for name, content in blocks.items() if content is not None}
    for name in [name for name in kept if kind == "JPEG" and name != "icc"]:
        if len(kept[name]) > _JPEG_BLOCK:
            warnings.warn(f"{name.upper()} is larger than JPEG holds: not kept.", stacklevel=3)
            del kept[name]
    return kept


def _profile_fits(icc: bytes | None, *, grey: bool) -> bool:
    """Whether the profile speaks of the channels that are written (ICC.1, header bytes 16-19)."""
    return icc is not None and icc[16:20] == (b"GRAY" if grey else b"RGB ")
