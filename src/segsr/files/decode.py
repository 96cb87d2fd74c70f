"""The one decoder of image files, each complaint one sentence that names the file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from segsr.errors import SegSRError
from segsr.files.deep_header import OddTiff, is_deep
from segsr.files.exif import exif_orientation, turn_upright
from segsr.files.heic import open_heic

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Pixels as files hold them: (h, w, c), c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""

_EIGHT_BITS = {
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GREY = {"1", "L", "LA", "La"}
_SIXTEEN_BITS = {"I", "I;16", "I;16B", "I;16L", "I;16N"}


@contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """The image file `path`, its header read; what goes wrong while it is open is a sentence.

    Raises:
        SegSRError: If the file is missing, may not be read, is no image, damaged or too large.
    """
    try:
        with _open(path) as image:
            if _is_short(image, path.stat().st_size):
                raise SegSRError(
                    f"{path} is not a readable image (damaged or cut short: {image.width} x"
                    f" {image.height} pixels are more than the file holds): replace it"
                )
            yield image
    except SegSRError:
        raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SegSRError(f"no file {path}: check the path, or the list that names it") from error
    except PermissionError as error:
        raise SegSRError(f"{path} may not be read: change the file's permissions") from error
    except UnidentifiedImageError as error:
        raise SegSRError(
            f"{path} is not a readable image ({_reason(error)}): convert it to PNG or JPEG, or"
            " replace it"
        ) from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise SegSRError(
            f"{path} is too large ({_reason(error)}): split or shrink it first"
        ) from error
    except Exception as error:  # Pillow's parsers raise whatever damage makes them stumble over
        raise SegSRError(
            f"{path} is not a readable image (damaged or cut short: {_reason(error)}): replace it"
        ) from error


def decode(image: ImageFile) -> Samples:
    """Return the pixels of an `opened` file, upright, at the depth of the file.

    8 bits a channel come in any of Pillow's modes; CMYK becomes sRGB through its embedded profile,
    CIELAB by its definition. 16 bits come in PNG, TIFF and PGM, floating point in TIFF; Pillow
    takes the upper 8 bits of other formats' more. Of a file with several pictures the first counts.

    Raises:
        SegSRError: If the file has another pixel format.
    """
    if is_deep(image):
        from segsr.files.deep import decode_deep  # loads libvips

        samples = decode_deep(image, Path(_name(image)))
    else:
        image.load()
        samples = _stored(image)
    return np.ascontiguousarray(turn_upright(samples, exif_orientation(image)))


def pictures(image: ImageFile) -> int:
    """Return how many pages or frames an `opened` file has, not yet loaded.

    The second picture that phones hide in a JPEG, a preview or a gain map, does not count.
    """
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def decode_labels(image: ImageFile) -> npt.NDArray[np.int64]:
    """Return the numbers (h, w) of an `opened` grey or indexed file, palette and all left aside.

    Raises:
        SegSRError: If the file has colours.
    """
    if image.mode not in {"1", "L", "P"} | _SIXTEEN_BITS:
        raise SegSRError(
            f"mask {_name(image)} is a {image.mode} image, labels must be grey or indexed, for a"
            " mask holds class indices: convert its colours to them"
        )
    return np.asarray(image).astype(np.int64)


def eight_bits(samples: Samples) -> npt.NDArray[np.uint8]:
    """Return `samples` at 8 bits a channel, 16 rounded to the nearest."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _open(path: Path) -> ImageFile:
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        with path.open("rb") as file:
            head = file.read(8)
        if head[4:] == b"ftyp":  # HEIC's, among others
            return open_heic(path)
        if head.startswith(_TIFF):
            return OddTiff(path)
        raise


def _is_short(image: ImageFile, size: int) -> bool:
    """Whether a file without compression has less than a bit for each pixel it claims."""
    plain = bool(image.tile) and all(tile[0] == "raw" for tile in image.tile)
    return plain and 8 * size < image.width * image.height


def _stored(image: ImageFile) -> Samples:
    """Return the pixels of a loaded file, not yet upright."""
    clear = image.info.get("transparency")
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image)
        if image.mode == "I" and not 0 <= values.min() <= values.max() <= 65535:
            raise _unsupported(image)
        return _with_clear_colour(values.astype(np.uint16)[..., None], clear)
    if image.mode not in _EIGHT_BITS:
        raise _unsupported(image)
    mode = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        mode += "A"
    picture = _cmyk_to_srgb(image) if image.mode == "CMYK" else image
    shallow = np.asarray(picture if picture.mode == mode else picture.convert(mode))
    return shallow.reshape(*shallow.shape[:2], -1)


def _unsupported(image: ImageFile) -> SegSRError:
    return SegSRError(
        f"{_name(image)} has the pixel format {image.mode}, which is not supported: convert it to"
        " 8 or 16 bits a channel, RGB or grey"
    )


def _with_clear_colour(
    samples: npt.NDArray[np.uint16], clear: int | tuple[int, ...] | None
) -> npt.NDArray[np.uint16]:
    """Return `samples` with an alpha channel if PNG declares one `clear` colour transparent."""
    if clear is None:
        return samples
    opaque = (samples != np.asarray(clear)).any(axis=-1, keepdims=True)
    return np.concatenate([samples, np.where(opaque, 65535, 0).astype(np.uint16)], axis=-1)


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except ImageCms.PyCMSError:
            converted = None  # a broken profile: the plain conversion is the best there is
        if converted is not None:
            return converted
    return image.convert("RGB")


def _name(image: ImageFile) -> str:
    return os.fsdecode(image.filename)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
