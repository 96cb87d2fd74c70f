"""What there is to label: the photographs of a folder or of a list, and the mask of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segsr.errors import SegSRError
from segsr.files.find import find_images, read_list
from segsr.files.formats import IMAGE_SUFFIXES


@dataclass(frozen=True)
class PhotoToLabel:
    """One photograph.

    Attributes:
        photo: Its file.
        mask: The file of its mask, relative to the folder of masks, with `/` between its parts.
    """

    photo: Path
    mask: str


@dataclass
class PhotosToLabel:
    """All photographs of a call.

    Attributes:
        items: Those to label, in order.
        failed: One sentence for each of the others.
    """

    items: list[PhotoToLabel] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


def find_photos_to_label(source: Path, root: Path | None = None) -> PhotosToLabel:
    """Return the photographs that `source` names, and where their masks go.

    The mask of `a/b.jpg` is `a/b.png`. Whether the files of a list are there is seen when they are
    read: a list may have millions of lines.

    Args:
        source: A folder (its subfolders are not searched), one photograph, or a list: a text file
            with a path on each line, relative to `root`; empty lines and lines that begin with #
            do not count.
        root: Folder of a list's photographs; that of the list if None.

    Raises:
        SegSRError: If `source` is not there, is of another kind, or names no photograph.
    """
    if source.is_dir():
        return _distinct((photo, photo.name) for photo in find_images(source))
    if not source.is_file():
        raise SegSRError(f"no {source}: give a folder of photographs, or a list of them (.txt)")
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return _distinct([(source, source.name)])
    if source.suffix != ".txt":
        raise SegSRError(
            f"{source} is neither a folder nor a photograph: a list of photographs is a text file"
            " whose name ends in .txt"
        )
    folder = root or source.parent
    return _distinct((folder / entry, entry) for entry in read_list(source))


def _distinct(photos: Iterable[tuple[Path, str]]) -> PhotosToLabel:
    """Return photographs of different masks; `photos` are paths and their names below the root."""
    found = PhotosToLabel()
    owners: dict[str, Path] = {}
    for photo, name in photos:
        try:
            mask = _mask_name(name, photo)
        except SegSRError as error:
            found.failed[photo] = str(error)
            continue
        owner = owners.setdefault(mask, photo)
        if owner is photo:
            found.items.append(PhotoToLabel(photo, mask))
        elif owner != photo:  # else it is listed twice
            found.failed[photo] = f"its mask would have the name of that of {owner}: rename one"
    return found


def _mask_name(name: str, photo: Path) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise SegSRError(
            f"{name} lies outside of the list's folder: list paths relative to a folder, and name"
            " it with root=FOLDER"
        )
    return str(path.with_suffix(".png"))
