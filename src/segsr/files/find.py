"""Which files of a folder are images."""

from __future__ import annotations

from pathlib import Path

from segsr.errors import SegSRError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""What counts as an image, in lower case; the case of a file's own suffix does not matter."""


def find_images(folder: Path, split: Path | None = None) -> list[Path]:
    """The images right in `folder`, sorted by name; or those that `split` lists, in its order.

    Args:
        folder: Searched without its subfolders and hidden files.
        split: Text file of stems or file names, one a line; blank lines and lines that begin with
            # do not count.

    Raises:
        SegSRError: The folder is missing or has no image, or the list names one that is not there.
    """
    if not folder.is_dir():
        raise SegSRError(f"no folder {folder}: set the data's root and folders to where they are")
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not images:
        raise SegSRError(
            f"folder {folder} holds no image ({' '.join(IMAGE_SUFFIXES)}): "
            "name the folder that does, subfolders are not searched"
        )
    if split is None:
        return images
    known = {path.stem: path for path in images} | {path.name: path for path in images}
    chosen = []
    for entry in read_list(split):
        if entry not in known:
            raise SegSRError(f"{split} lists {entry}, which is not in {folder}: correct the list")
        chosen.append(known[entry])
    return chosen


def read_list(path: Path) -> list[str]:
    """The entries of a text file, one a line, without blank lines and those that begin with #.

    Raises:
        SegSRError: The file cannot be read or has no entry.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SegSRError(f"list {path} cannot be read ({error}): give a text file") from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise SegSRError(f"list {path} names no image: write one stem a line")
    return entries
