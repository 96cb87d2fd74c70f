"""Which files hold more than 8 bits a channel that Pillow would cut to 8 or refuse."""

from __future__ import annotations

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile


class OddTiff(TiffImageFile):
    """The header of a TIFF file for whose pixel format Pillow has no name, such as float RGB."""

    def _setup(self) -> None:
        try:
            super()._setup()
        except SyntaxError:  # raised when all but the pixel format is known
            self._mode = "RGB"
            self.tile = []


def is_deep(image: ImageFile) -> bool:
    """Whether Pillow would cut the pixels of the `opened` file, not yet loaded, or refuse them."""
    if isinstance(image, OddTiff):
        return True
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return False
    args = image.tile[0].args
    raw = str(args if isinstance(args, str) else args[0] if args else "")  # as in RGB;16B
    return raw.startswith("F;32") or (";16" in raw and image.mode in {"LA", "RGB", "RGBA", "RGBa"})
