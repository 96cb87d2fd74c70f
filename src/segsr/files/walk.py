"""Photographs below files and folders, each with its place in the tree."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from segsr.errors import SegSRError
from segsr.files.formats import IMAGE_SUFFIXES

_Identity = tuple[int, int]
"""Device and number of a folder, by whatever path it is reached."""


@dataclass(frozen=True)
class PhotoInTree:
    """A photograph and where it stands.

    Attributes:
        path: Of the file.
        folder: Its folder, relative to the one that was searched; `.` for a file named by itself.
    """

    path: Path
    folder: Path


@dataclass
class Found:
    """What a search found.

    Attributes:
        photos: Each once: in the order of what was named, within a folder by place.
        ignored: How many files were left out, by suffix in lower case.
        unread: Folders that could not be searched, and why.
    """

    photos: list[PhotoInTree] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    unread: dict[Path, str] = field(default_factory=dict)


def find_photos(inputs: Iterable[str | Path], leave_out: Iterable[Path] = ()) -> Found:
    """Find the photographs that `inputs` name.

    Folders are searched with all that is below them. A link to a folder is followed unless that
    folder has been searched already or holds the link, so loops end. Hidden files and folders are
    left out silently.

    Args:
        inputs: Files, taken whatever their suffix, and folders, of which the images are taken.
        leave_out: Folders below which nothing is searched, such as that of the results.

    Raises:
        SegSRError: A path does not exist, a folder holds no image, or is to be left out itself.
    """
    left_out = [_identity(folder) for folder in leave_out if folder.is_dir()]
    found = Found()
    known: set[Path] = set()
    for path in map(Path, inputs):
        if path.is_dir():
            if _identity(path) in left_out:
                raise SegSRError(
                    f"folder {path} is searched for photographs, so nothing else can be in it:"
                    " give another folder for the results, and for masks"
                )
            photos = _search(path, left_out, found)
        elif path.is_file():
            photos = [PhotoInTree(path, Path())]
        else:
            raise SegSRError(f"no file or folder {path}: check the path")
        for photo in photos:
            if photo.path not in known:
                known.add(photo.path)
                found.photos.append(photo)
    return found


def _search(root: Path, left_out: Iterable[_Identity], found: Found) -> list[PhotoInTree]:
    """The photographs below `root` by place; what is no photograph is counted in `found`."""
    entered = {*left_out, *map(_identity, root.resolve().parents)}
    folders, links = deque([root]), deque[Path]()
    photos = []
    while folders or links:  # a folder is known by its own path, if it has one, not by a link's
        folder = folders.popleft() if folders else links.popleft()
        try:
            if (identity := _identity(folder)) in entered:
                continue
            entered.add(identity)
            for path in (folder / name for name in os.listdir(folder)):
                if path.name.startswith("."):
                    continue
                if path.is_dir():
                    (links if path.is_symlink() else folders).append(path)
                elif path.suffix.lower() in IMAGE_SUFFIXES and _is_photo(path):
                    photos.append(PhotoInTree(path, folder.relative_to(root)))
                else:
                    found.ignored[path.suffix.lower() or "without a suffix"] += 1
        except OSError as error:
            found.unread[folder] = f"cannot be searched ({error.strerror}): check its permissions"
    if not photos:
        raise SegSRError(
            f"folder {root} holds no image ({' '.join(IMAGE_SUFFIXES)}), nor does one below it:"
            " name the folder that does"
        )
    return sorted(photos, key=lambda photo: (photo.folder.parts, photo.path.name))


def _identity(folder: Path) -> _Identity:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino


def _is_photo(path: Path) -> bool:
    """Whether it is a file, or a link to none, which is told when it is read; no pipe or socket."""
    return path.is_file() or (path.is_symlink() and not path.exists())
