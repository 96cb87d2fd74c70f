"""Photographs between files and tensors, with what a restoration must not lose on the way.

Kept: transparency, EXIF (rotation applied, its tag removed), the colour profile, greyness, and
16 bits a channel in PNG and grey TIFF files. Limits: of a file with several pictures only the
first is read; 16-bit colour TIFF is read at 8 bits; XMP and IPTC blocks are dropped.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from PIL import Image, ImageCms, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.files.exif import exif_orientation, exif_to_keep, turn_upright
from segsr.files.png16 import decode_png16, encode_png16, is_deep_colour_png

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Pixels as files hold them: (h, w, c), c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),  # 4:4:4
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".bmp": ("BMP", {}),
}
_WITH_ALPHA = {"PNG", "WEBP", "TIFF"}
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_GREY_MODES = {"1", "L", "LA", "La"}
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # BT.601, as Pillow's own conversion to grey
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, RuntimeError)

IMAGE_SUFFIXES = tuple(_FORMATS)
"""Suffixes, in lower case, of the files that `find_photos` picks and `write_photo` writes."""


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


def find_photos(inputs: Iterable[str | Path]) -> list[Path]:
    """Return the photographs that `inputs` name, each once, in order.

    Args:
        inputs: Files, taken whatever their suffix, and folders, of which the images are taken by
            suffix, sorted by name, without subfolders and hidden files.

    Raises:
        SegSRError: If a path does not exist or a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, inputs):
        if path.is_file():
            found.append(path)
            continue
        if not path.is_dir():
            raise SegSRError(f"{path}: no such file or folder. Check the path.")
        inside = sorted(file for file in path.iterdir() if _is_photo(file))
        if not inside:
            raise SegSRError(
                f"{path}: the folder holds no image ({' '.join(IMAGE_SUFFIXES)}). Subfolders are "
                "not searched: name them one by one."
            )
        found.extend(inside)
    return list(dict.fromkeys(found))


def read_photo(path: str | Path) -> Photo:
    """Return the photograph in the file `path`, upright.

    Reads whatever Pillow reads with 8 bits a channel (grey, palette, RGB, CMYK, with or without
    transparency) and 16-bit PNG and grey TIFF. CMYK becomes sRGB through its embedded profile.

    Raises:
        SegSRError: If the file is missing, damaged, no image, or of another pixel format.
    """
    path = Path(path)
    if not path.is_file():
        raise SegSRError(f"{path}: no such file. Check the path.")
    try:
        with Image.open(path) as file:
            file.load()
            samples = _samples(file, path)
            orientation = exif_orientation(file)
            exif = exif_to_keep(file)
            icc = None if file.mode == "CMYK" else file.info.get("icc_profile")
    except UnidentifiedImageError as error:
        raise SegSRError(
            f"{path}: not an image this program can read. Convert it to PNG or JPEG."
        ) from error
    except PermissionError as error:
        raise SegSRError(f"{path}: may not be read. Change the file's permissions.") from error
    except Image.DecompressionBombError as error:
        raise SegSRError(f"{path}: too large ({error}). Split or shrink it first.") from error
    except _DAMAGE as error:
        raise SegSRError(
            f"{path}: damaged or cut short ({error}). Copy or export it again."
        ) from error

    samples = np.ascontiguousarray(turn_upright(samples, orientation))
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


def write_photo(path: str | Path, image: Float[Tensor, "3 h w"], like: Photo | None = None) -> None:
    """Write `image` to `path`, whole or not at all, in the format its suffix names.

    JPEG and WebP get quality 95, JPEG without chroma subsampling. What the format cannot hold is
    given up: JPEG and BMP are flattened onto white, only PNG (and grey TIFF without transparency)
    has 16 bits, BMP has no metadata.

    Args:
        path: The new file; missing folders are made.
        image: RGB in [0, 1]; values outside are clipped.
        like: The photograph that `image` is restored from: its transparency (enlarged bicubically
            to the new size), EXIF, colour profile, greyness and depth are kept. Its own image is
            not looked at.

    Raises:
        SegSRError: If the suffix names no known format or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise SegSRError(
            f"{path}: unknown image format '{path.suffix}'. Use one of {' '.join(IMAGE_SUFFIXES)}."
        )
    kind, options = _FORMATS[path.suffix.lower()]
    like = like or Photo(image)
    values = _channels_to_write(image, like, with_alpha=kind in _WITH_ALPHA)
    deep = like.bits == 16 and (kind == "PNG" or (kind == "TIFF" and len(values) == 1))
    samples = _quantise(values, np.uint16 if deep else np.uint8)
    icc = like.icc if _profile_fits(like.icc, grey=like.grey and kind != "WEBP") else None
    if deep and kind == "PNG":
        write_atomic(path, encode_png16(samples, exif=like.exif, icc=icc))
        return
    metadata = {"exif": like.exif, "icc_profile": icc}
    options = options | {key: value for key, value in metadata.items() if value is not None}
    picture = Image.fromarray(samples[..., 0] if len(values) == 1 else samples)
    write_atomic(path, _encode(path, picture, kind, options))


def _is_photo(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()


def _samples(image: Image.Image, path: Path) -> Samples:
    """Return the pixels of a loaded file as they are stored, not yet upright."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        deep: npt.NDArray[np.uint16] = np.array(image).astype(np.uint16)[..., None]
        return _with_clear_colour(deep, clear)
    if image.format == "PNG" and is_deep_colour_png(content := path.read_bytes()):
        return _with_clear_colour(decode_png16(content), clear)  # Pillow keeps 8 of the 16 bits
    if image.mode not in _EIGHT_BIT_MODES:
        raise SegSRError(
            f"{path}: pixel format {image.mode} is not supported. Convert it to 8 or 16 bits a "
            "channel, RGB or grey."
        )
    if image.mode == "CMYK":
        image = _cmyk_to_srgb(image)
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    if image.has_transparency_data:
        mode += "A"
    shallow: npt.NDArray[np.uint8] = np.array(image.convert(mode))
    return shallow.reshape(*shallow.shape[:2], -1)


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


def _channels_to_write(
    image: Float[Tensor, "3 h w"], like: Photo, *, with_alpha: bool
) -> Float[Tensor, "c h w"]:
    """Return the 1 to 4 channels of the new file, in [0, 1]."""
    values = image.detach().cpu().float().clamp(0, 1)
    if like.grey:
        weights = values.new_tensor(_LUMA_WEIGHTS).view(3, 1, 1)
        values = (values * weights).sum(dim=0, keepdim=True)
    if like.alpha is None:
        return values
    small = like.alpha.cpu()[None, None]
    resized = F.interpolate(small, values.shape[-2:], mode="bicubic", antialias=True)
    alpha = resized[0].clamp(0, 1)
    return torch.cat([values, alpha]) if with_alpha else values * alpha + (1 - alpha)


def _quantise(values: Float[Tensor, "c h w"], dtype: type[np.unsignedinteger[Any]]) -> Any:
    """Return (h, w, c) samples of `dtype`, rounded to nearest."""
    top = np.iinfo(dtype).max
    return np.round(values.permute(1, 2, 0).numpy().astype(np.float64) * top).astype(dtype)


def _profile_fits(icc: bytes | None, *, grey: bool) -> bool:
    """Whether the profile speaks of the channels that are written (ICC.1, header bytes 16-19)."""
    return icc is not None and icc[16:20] == (b"GRAY" if grey else b"RGB ")


def _encode(path: Path, picture: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format=kind, **options)
    except (OSError, ValueError, struct.error) as error:
        raise SegSRError(
            f"{path}: {kind} cannot hold this picture ({error}). Write it as PNG."
        ) from error
    return buffer.getvalue()
