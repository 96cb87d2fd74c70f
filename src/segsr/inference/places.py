"""Where the results of photographs go.

    photos/trip/a.heic  ->  OUT/trip/a.png    its mask:  OUT/masks/trip/a.png
    photos/b.jpg        ->  OUT/b.jpg.png                OUT/masks/b.jpg.png
    photos/b.tif        ->  OUT/b.tif.png                OUT/masks/b.tif.png

A result is named by its photograph's stem, by its full name where another image in its folder has
that stem. What lies in the folder decides it, not what was asked for: so a name is the same whether
one photograph is restored or all, in whatever order.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segsr.files.formats import IMAGE_SUFFIXES, result_suffix
from segsr.files.walk import PhotoInTree
from segsr.inference.records import record_of

MASKS = "masks"
"""Folder of the masks within that of the results."""


@dataclass(frozen=True)
class Place:
    """A photograph and the files that are made of it.

    Attributes:
        photo: The photograph.
        result: What is made of it.
        mask: Its mask; None if none is to be written.
        key: Name of both within the tree, without a suffix.
    """

    photo: Path
    result: Path
    mask: Path | None
    key: Path


def find_places(
    photos: Sequence[PhotoInTree], output: Path, format: str, *, masks: bool = True
) -> list[Place]:
    """Return where the result of each photograph goes, and its mask.

    Args:
        photos: What is to be restored.
        output: Folder of the results.
        format: See `segsr.inference.settings.Settings`.
        masks: Whether masks are to be written.

    Raises:
        SegSRError: If there is no such format.
    """
    names_of = cache(_names_by_stem)
    places = []
    for photo in photos:
        path, suffix = photo.path, result_suffix(format, photo.path)
        names = names_of(path.parent, output / photo.folder)
        others = names.get(path.stem.casefold(), set()) - {path.name}
        key = photo.folder / (path.name if others else path.stem)
        # In the photographs' own format no two of a folder can meet.
        name = path.name if suffix == path.suffix and format == "same" else key.name + suffix
        mask = output / MASKS / key.with_name(key.name + ".png") if masks else None
        places.append(Place(path, output / photo.folder / name, mask, key))
    return places


def find_clashes(places: Sequence[Place], given: Mapping[Path, Path]) -> dict[Path, str]:
    """Return why photographs cannot be restored: a file would be lost that must be kept.

    Args:
        places: Of all photographs.
        given: Masks that were handed in, by photograph.
    """
    kept = {path.resolve() for path in (*given.values(), *(place.photo for place in places))}
    taken: dict[Path, Path] = {}
    reasons: dict[Path, str] = {}
    for place in places:
        for path in filter(None, (place.result, place.mask)):
            if path.resolve() in kept:
                reasons[place.photo] = f"{path} would be overwritten: give another folder"
            elif path in taken:
                reasons[place.photo] = f"{path} is made of {taken[path]} as well: rename one"
            else:
                taken[path] = place.photo
    return reasons


def _names_by_stem(folder: Path, results: Path) -> dict[str, set[str]]:
    """The images of a folder by stem; results of ours left out, if they go into it.

    Stems are folded, for file systems that do not tell `A` from `a`.
    """
    names: dict[str, set[str]] = defaultdict(set)
    with contextlib.suppress(OSError):  # files may be readable in a folder that is not
        own = results.is_dir() and results.samefile(folder)
        for path in folder.iterdir():
            shown = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
            if shown and not (own and record_of(path).is_file()):
                names[path.stem.casefold()].add(path.name)
    return names
