"""Image formats, by the suffix of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr.errors import SegSRError

WRITTEN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),  # 4:4:4
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
    ".pgm": ("PPM", {}),
}
"""What photographs are written as: suffix in lower case to Pillow's name and options."""

IMAGE_SUFFIXES = (*WRITTEN, ".avif")
"""What counts as an image, in lower case; the case of a file's own suffix does not matter."""

RESULT_FORMATS: Mapping[str, str] = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif"}
"""Names of formats a user may choose for results, to suffixes."""


def result_suffix(format: str, photo: Path) -> str:
    """The suffix of the result of `photo` in `format`, one of `RESULT_FORMATS` or `same`.

    `same` keeps the photograph's own suffix where that can be written and is `.png` elsewhere.

    Raises:
        SegSRError: If there is no such format.
    """
    if format == "same":
        return photo.suffix if photo.suffix.lower() in WRITTEN else ".png"
    if format not in RESULT_FORMATS:
        raise SegSRError(
            f"format '{format}' is none that results are written in: use one of"
            f" {' '.join(RESULT_FORMATS)} same"
        )
    return RESULT_FORMATS[format]
