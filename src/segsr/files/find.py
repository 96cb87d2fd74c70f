"""Which files are images: those of a folder, of a list."""

from __future__ import annotations

import os
from pathlib import Path

from segsr.errors import SegSRError
from segsr.files.formats import IMAGE_SUFFIXES


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
        raise SegSRError(
            f"no folder {folder}: check the path, in a recipe the data's root and folders"
        )
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _is_image(entry))
    if not names:
        raise SegSRError(
            f"folder {folder} holds no image ({' '.join(IMAGE_SUFFIXES)}): "
            "name the folder that does, subfolders are not searched"
        )
    images = [folder / name for name in names]
    if split is None:
        return images
    known = {path.stem: path for path in images} | {path.name: path for path in images}
    chosen = []
    for entry in read_list(split):
        if entry not in known:
            raise SegSRError(f"{split} lists {entry}, which is not in {folder}: correct the list")
        chosen.append(known[entry])
    return chosen


def find_by_stem(folder: Path) -> dict[str, Path]:
    """The images right in `folder` by stem, sorted by name.

    Raises:
        SegSRError: As `find_images`, or two images share a stem.
    """
    found: dict[str, Path] = {}
    for path in find_images(folder):
        if path.stem in found:
            raise SegSRError(f"{found[path.stem]} and {path.name} share a stem: keep one of them")
        found[path.stem] = path
    return found


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


def _is_image(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES) and entry.is_file()
