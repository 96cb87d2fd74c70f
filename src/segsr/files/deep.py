"""Pixels of more than 8 bits a channel, which Pillow would cut to 8 or refuse, by libvips.

libvips is native code with threads of its own. Loaders are named, so none is guessed from a
file's bytes; those that are not made for hostile files are blocked; and pixels are fetched in the
calling thread, for in a process forked from one that used libvips its threads are gone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image
from PIL.ImageFile import ImageFile

from segsr.errors import SegSRError
from segsr.files.deep_header import OddTiff

pyvips.cache_set_max(0)  # which would keep pictures in memory
pyvips.block_untrusted_set(True)

_LOADERS = {"PNG": pyvips.Image.pngload, "TIFF": pyvips.Image.tiffload}
_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_COLOURS = {"b-w", "grey16", "srgb", "rgb", "rgb16", "scrgb"}


def decode_deep(image: ImageFile, path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Return the pixels (h, w, c) of a deep file as it stores them, c = 1 to 4.

    Floating point must be in [0, 1], is taken as display values and comes at 16 bits.

    Args:
        image: The file, opened by Pillow.
        path: Where it is.

    Raises:
        SegSRError: If the file holds other numbers or colours.
        pyvips.Error: If it is damaged.
    """
    width, height = image.size
    limit = 2 * (Image.MAX_IMAGE_PIXELS or width * height)  # Pillow's own rule
    if width * height > limit:
        raise Image.DecompressionBombError(f"{width} x {height} pixels are more than {limit}")
    try:
        picture = _LOADERS[image.format or ""](str(path), access="sequential", fail_on="error")
    except pyvips.Error as error:
        if not isinstance(image, OddTiff):
            raise
        raise SegSRError(
            f"{path} is a TIFF file of a kind that is not read ({' '.join(str(error).split())}):"
            " convert it to 8 or 16 bits a channel, RGB or grey"
        ) from error
    kind = _TYPES.get(picture.format)
    if kind is None or picture.interpretation not in _COLOURS or picture.bands > 4:
        raise SegSRError(
            f"{path} has {picture.bands} channels of {picture.format} ({picture.interpretation}),"
            " which is not supported: convert it to 8 or 16 bits a channel, RGB or grey"
        )
    fetched = pyvips.Region.new(picture).fetch(0, 0, picture.width, picture.height)
    samples = np.frombuffer(fetched, kind).reshape(picture.height, picture.width, picture.bands)
    return _sixteen_bits(samples, path) if samples.dtype.kind == "f" else samples


def _sixteen_bits(values: npt.NDArray[np.floating], path: Path) -> npt.NDArray[np.uint16]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # nor NaN
        raise SegSRError(
            f"{path} holds floating point from {low:g} to {high:g}, which is no photograph's range:"
            " scale it to 0..1, or convert it to 16 bits a channel"
        )
    return np.round(values * 65535).astype(np.uint16)
