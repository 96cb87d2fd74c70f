"""EXIF of a photograph that is turned upright and stored anew: what to apply, what to keep."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

Pixels = npt.NDArray[Any]  # (h, w, c)

# Orientation (EXIF 2.32, tag 0x0112) -> what turns the stored pixels upright.
_TO_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}

# Tags that describe how the old file stored its pixels: untrue of the new one.
_STORAGE_TAGS = """
    ImageWidth ImageLength BitsPerSample Compression PhotometricInterpretation Thresholding
    FillOrder Orientation SamplesPerPixel PlanarConfiguration Predictor ColorMap SubIFDs
    RowsPerStrip StripOffsets StripByteCounts TileWidth TileLength TileOffsets TileByteCounts
    WhitePoint PrimaryChromaticities ExtraSamples SampleFormat SMinSampleValue SMaxSampleValue
    JPEGTables JPEGProc JpegIFOffset JpegIFByteCount YCbCrCoefficients YCbCrSubSampling
    YCbCrPositioning ReferenceBlackWhite XMLPacket IPTCNAA ImageResources InterColorProfile
    ExifImageWidth ExifImageHeight
"""

_PER_CENTIMETRE = 3  # a value of ResolutionUnit
_FINEST = 100_000  # dots per inch; more is damage


def exif_orientation(image: Image.Image) -> int:
    """Return how the camera was held, 1 (upright) to 8; 1 if the file does not say.

    Args:
        image: A loaded image, before any conversion.
    """
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in _TO_UPRIGHT else 1


def turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return (h, w, c) `pixels`, stored with `orientation`, as a view that is upright."""
    turn = _TO_UPRIGHT.get(orientation)
    return pixels if turn is None else turn(pixels)


def exif_to_keep(image: Image.Image) -> bytes | None:
    """Return the EXIF block without orientation, storage tags and thumbnail; None if empty.

    A block too damaged to be stored again is dropped with a warning: no reason to lose a photo.

    Args:
        image: A loaded image, before any conversion. It is left as it was.
    """
    kept = Image.Exif()
    storage = set(_STORAGE_TAGS.split())
    try:
        kept.load(image.getexif().tobytes())
        has_camera_data = ExifTags.IFD.Exif in kept
        for tags in (kept, kept.get_ifd(ExifTags.IFD.Exif)) if has_camera_data else (kept,):
            for tag in [tag for tag in tags if ExifTags.TAGS.get(tag) in storage]:
                del tags[tag]
        return kept.tobytes() if kept else None
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error) as error:
        name = getattr(image, "filename", "image")
        warnings.warn(f"{name}: its EXIF is damaged and not kept ({error}).", stacklevel=2)
        return None


def dots_per_inch(exif: bytes | None) -> float:
    """Return the resolution that an EXIF block names; without one 72, EXIF's default."""
    tags = Image.Exif()
    tags.load(exif or b"")
    try:
        resolution = float(tags.get(ExifTags.Base.XResolution, 72))
    except (TypeError, ValueError):  # the file's tag holds another type
        return 72.0
    if tags.get(ExifTags.Base.ResolutionUnit) == _PER_CENTIMETRE:
        resolution *= 2.54
    return resolution if 0 < resolution < _FINEST else 72.0
