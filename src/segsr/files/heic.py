"""HEIC photographs by libheif, in a process of its own: some damaged files crash the library."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngInfo

_SECONDS = 120


def open_heic(path: Path) -> ImageFile:
    """Return the photograph in `path`, upright, as if it were a PNG file; EXIF, XMP, ICC are kept.

    Raises:
        OSError: If it cannot be read.
    """
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"not decoded in {_SECONDS} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(said[-1] if done.returncode > 0 and said else "libheif crashed")
    image = Image.open(io.BytesIO(done.stdout))
    image.filename = str(path)
    return image


def _convert(path: str) -> bytes:
    """Return the bytes of a PNG file that holds what the HEIC file `path` does."""
    import pi_heif  # loads libheif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    with Image.open(path, formats=["HEIF"]) as image:
        text = PngInfo()
        if packet := image.info.get("xmp"):
            text.add_itxt("XML:com.adobe.xmp", packet.decode(errors="replace"))
        kept = {name: image.info.get(name) for name in ("exif", "icc_profile")}
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=0, pnginfo=text, **kept)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_convert(sys.argv[1]))
