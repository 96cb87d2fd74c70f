"""Image formats, by the suffix of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
