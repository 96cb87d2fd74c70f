"""Which files of several folders belong to one photograph."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segsr.files.find import find_by_stem

_SUFFIX = re.compile(
    r"[_\-. ]?(?:hr|lr|hq|lq|gt|sr|out|output|restored|result|mask|x[2348]|[2348]x|lr[2348]|"
    r"realesrgan-x4plus|bicubic)$",
    re.IGNORECASE,
)
"""What methods and data sets append to the stem of a photograph."""

_LISTS = ("hq", "label", "restored", "mask", "lq")
"""Whose files are the list of photographs: the first of these that there is."""


@dataclass(frozen=True)
class PhotoFiles:
    """The files of one photograph by role.

    Attributes:
        name: Stem of the reference's file.
        files: Role (`restored`, `hq`, `lq`, `mask`, `label`) to file.
    """

    name: str
    files: Mapping[str, Path]


@dataclass
class Pairing:
    """What was found.

    Attributes:
        photos: The photographs that have a file in every folder.
        missing: One sentence for each photograph that lacks a file.
        extra: One sentence for each file that belongs to no photograph.
    """

    photos: list[PhotoFiles] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def pair_files(folders: Mapping[str, Path]) -> Pairing:
    """Return the files of `folders` (by role) that belong together.

    Files match by their stem; where stems differ, by what is left of them without the usual
    suffixes (`_HR`, `_LR4`, `_out`, `x4`, ...), if that is unambiguous. The reference is the
    HQ folder if there is one, else the labels, else the restored images.

    Raises:
        SegSRError: If a folder does not exist or holds no image, or two of its files share a stem.
    """
    stems = {role: find_by_stem(folder) for role, folder in folders.items()}
    reference: str = next(role for role in _LISTS if role in stems)
    cores = {role: _cores(files) for role, files in stems.items()}
    result = Pairing()
    used: dict[str, set[Path]] = {role: set() for role in stems}
    for stem, path in stems[reference].items():
        files: dict[str, Path] = {reference: path}
        core = _core(stem) if _core(stem) in cores[reference] else stem
        for role in stems:
            found = stems[role].get(stem) or cores[role].get(core)
            if role != reference and found is not None:
                files[role] = found
        for role, file in files.items():
            used[role].add(file)
        lacking = [role for role in stems if role not in files]
        if lacking:
            where = " and ".join(f"{role} image in {folders[role]}" for role in lacking)
            result.missing.append(f"{path.name} has no {where}")
        else:
            result.photos.append(PhotoFiles(stem, files))
    for role, paths in stems.items():
        for path in paths.values():
            if path not in used[role]:
                result.extra.append(f"{path} belongs to no image of {folders[reference]}")
    return result


def _cores(files: Mapping[str, Path]) -> dict[str, Path]:
    """The files by the core of their stem, those whose core is another's too left out."""
    counts = Counter(map(_core, files))
    return {core: path for stem, path in files.items() if counts[core := _core(stem)] == 1}


def _core(stem: str) -> str:
    """`stem` without the usual suffixes, however many of them it has."""
    while (shorter := _SUFFIX.sub("", stem)) not in (stem, ""):
        stem = shorter
    return stem
