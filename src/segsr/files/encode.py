"""Pictures to files by libvips, some rows at a time: nothing of a picture's size is copied."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image
from torch import Tensor

from segsr.errors import SegSRError
from segsr.files.atomic import cannot_write, whole
from segsr.files.exif import dots_per_inch
from segsr.files.formats import Written
from segsr.files.tiff_tags import add_tags

pyvips.cache_set_max(0)  # which would keep pictures in memory
pyvips.block_untrusted_set(True)

_PROCESS = os.getpid()
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # BT.601, as Pillow's own conversion to grey
_FIELDS = {  # libvips' name of a block, and the flag that has its savers keep it
    "exif": ("exif-data", 1),
    "xmp": ("xmp-data", 2),
    "iptc": ("iptc-data", 4),
    "icc": ("icc-profile-data", 8),
}
_TIFF_TAGS = ("exif", "iptc")  # not libvips' in TIFF
_MM_PER_INCH = 25.4


def picture_of(
    image: Tensor, *, alpha: Tensor | None, grey: bool, opacity: bool, deep: bool
) -> Any:
    """Return a pyvips.Image that computes samples, rounded to the nearest, when it is written.

    Args:
        image: (3, h, w), in [0, 1], clipped, or 8-bit.
        alpha: Opacity (H, W) in [0, 1], enlarged bicubically to (h, w), or None.
        grey: Whether one channel is written, of luma.
        opacity: Whether alpha is written; if not, the picture is flattened onto white.
        deep: Whether to 16 bits a channel, else 8.
    """
    top = 65535 if deep else 255
    values = _bands(image)
    if values.format != "uchar":
        values = values.clamp(min=0, max=1).linear(top, 0)
    elif deep:
        values = values.linear(top / 255, 0)
    if grey:
        values = values.recomb(pyvips.Image.new_from_array([list(_LUMA_WEIGHTS)]))
    if alpha is not None:
        seen = _bands(alpha[None])
        across, down = values.width / seen.width, values.height / seen.height
        seen = seen.resize(across, vscale=down, kernel="cubic").clamp(min=0, max=1)
        if opacity:
            values = values.bandjoin(seen.linear(top, 0))
        else:
            values = values * seen + seen.linear(-top, top)
    samples = values.rint().cast("ushort" if deep else "uchar")
    names = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    return samples.copy(interpretation=names[not grey])


def write_picture(
    path: Path,
    picture: Any,
    kind: Written,
    options: Mapping[str, Any],
    metadata: Mapping[str, bytes],
) -> None:
    """Write a picture of `picture_of`, whole or not at all.

    Args:
        path: The new file; missing folders are made.
        picture: A pyvips.Image.
        kind: The format.
        options: What its saver is told.
        metadata: Any of `exif`, `icc`, `xmp` and `iptc`.

    Raises:
        SegSRError: If the file cannot be written, or not by this process.
    """
    if os.getpid() != _PROCESS:
        raise SegSRError(
            f"{path}: a process forked from one that wrote pictures cannot write any, libvips would"
            " wait for ever: start it with the method spawn"
        )
    with whole(path) as part:
        part.touch()  # where that is not allowed, it is said as of any file
        if kind.saver is None:
            samples = picture.numpy()
            Image.fromarray(samples).save(part, kind.kind)
            return
        own = {name: metadata.get(name) for name in _TIFF_TAGS} if kind.kind == "TIFF" else {}
        blocks = {name: block for name, block in metadata.items() if name not in own}
        keep = sum(_FIELDS[name][1] for name in blocks)  # without it EXIF would be made up
        try:
            save = getattr(_with_metadata(picture, metadata.get("exif"), blocks), kind.saver)
            save(str(part), keep=keep, **options)
        except pyvips.Error as error:
            raise cannot_write(path, " ".join(str(error).split())) from error
        if any(own.values()):
            add_tags(part, **own)


def _bands(planes: Tensor) -> Any:
    """Return a pyvips.Image over the memory of (c, h, w) `planes`."""
    planes = planes.detach().cpu().contiguous()
    if planes.is_floating_point():
        planes = planes.float()
    height, width = planes.shape[1:]
    kind = "float" if planes.is_floating_point() else "uchar"
    first, *rest = (
        pyvips.Image.new_from_memory(plane.numpy().data, width, height, 1, kind) for plane in planes
    )
    return first.bandjoin(rest) if rest else first


def _with_metadata(picture: Any, exif: bytes | None, blocks: Mapping[str, bytes]) -> Any:
    per_mm = dots_per_inch(exif) / _MM_PER_INCH
    picture = picture.copy(xres=per_mm, yres=per_mm)  # which the savers write over EXIF's
    for name, content in blocks.items():
        picture.set_type(pyvips.GValue.blob_type, _FIELDS[name][0], content)
    return picture
