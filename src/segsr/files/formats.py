"""Image formats, by the suffix of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from segsr.errors import SegSRError


@dataclass(frozen=True)
class Written:
    """A format that photographs are written in, and what it can hold.

    Attributes:
        kind: Its name.
        options: What libvips' saver is told; `Q` is the quality of a lossy format.
        saver: libvips' saver; None if Pillow writes the format.
        alpha: Whether it holds transparency.
        deep: Which pictures it holds at 16 bits.
        side: Longest side in pixels.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    saver: str | None = None
    alpha: bool = False
    deep: Literal["all", "grey", "none"] = "none"
    side: int = 2**31 - 1


_JPEG = Written("JPEG", {"Q": 95, "subsample_mode": "off"}, "jpegsave", side=65500)  # libjpeg's
_PNG = Written("PNG", {"filter": "up"}, "pngsave", alpha=True, deep="all")
_TIFF = Written(
    "TIFF",
    {"compression": "deflate", "predictor": "horizontal", "resunit": "inch"},
    "tiffsave",
    alpha=True,
    deep="all",
)

WRITTEN: Mapping[str, Written] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": _PNG,
    ".webp": Written("WEBP", {"Q": 95}, "webpsave", alpha=True, side=16383),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".avif": Written(
        "AVIF", {"Q": 90, "subsample_mode": "off", "compression": "av1"}, "heifsave", alpha=True
    ),
    ".bmp": Written("BMP"),
    ".ppm": Written("PPM", deep="grey"),
    ".pgm": Written("PPM", deep="grey"),
}
"""What photographs are written as, by suffix in lower case."""

IMAGE_SUFFIXES = (*WRITTEN, ".gif", ".heic", ".heif", ".jp2", ".j2k")
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
