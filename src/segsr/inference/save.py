"""A result, its mask and its record on disk: all three as they should be, or as they were.

Picture and mask are written whole under names of their own, then the record, which knows their
bytes; only then do they take their places, the result last. Killed before the record, nothing has
happened; killed after it, what is there is not what the record tells, and is restored again.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from segsr import __version__
from segsr.files.atomic import cannot_write
from segsr.files.mask import write_mask
from segsr.files.photo import Photo, write_photo
from segsr.inference.places import Place
from segsr.inference.records import FOLDER, Making, Record, Written, digest, record_of, write_record
from segsr.inference.restoration import Restoration

_NEW = "new"  # folder of what has not yet taken its place


def save(
    place: Place,
    restoration: Restoration,
    photo: Photo,
    making: Making,
    *,
    quality: int | None,
    begin: float,
    device: str,
) -> Record:
    """Write a result, its mask if `place` has one, and its record; return the record.

    Args:
        place: Where they go.
        restoration: The restored photograph.
        photo: The photograph.
        making: What the result depends on.
        quality: See `segsr.files.photo.write_photo`.
        begin: When its restoration began, by `time.perf_counter`.
        device: What computed it.

    Raises:
        SegSRError: If one of them cannot be written.
    """
    home = place.result.parent / FOLDER / _NEW
    picture, mask = home / place.result.name, home / "masks" / f"{place.result.name}.png"
    for path in (picture, mask, record_of(place.result)):
        _forget_parts(path)
    try:
        write_photo(picture, restoration.image.cpu(), photo, quality=quality)
        if place.mask is not None:
            write_mask(mask, restoration.mask.cpu())
        record = Record(
            making=making,
            result=_written(picture, place.result.name),
            mask=None if place.mask is None else _written(mask, _from(place.result, place.mask)),
            photo_size=_size(photo.image),
            result_size=_size(restoration.image),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - begin, 3),
            device=device,
            versions=versions(),
        )
        write_record(place.result, record)
        if place.mask is not None:
            _move(mask, place.mask)
        _move(picture, place.result)
    finally:
        for path in (picture, mask):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in (mask.parent, home):
            with contextlib.suppress(OSError):  # another photograph's may be in it
                folder.rmdir()
    return record


def versions() -> dict[str, str]:
    """Return the versions of segsr and of what decides how it computes."""
    others = {name: version(name) for name in ("torch", "diffusers", "pillow", "pyvips")}
    return {"segsr": __version__, **others, "python": platform.python_version()}


def _written(path: Path, name: str) -> Written:
    stat = path.stat()
    return Written(name, stat.st_size, stat.st_mtime_ns, digest(path))


def _from(result: Path, mask: Path) -> str:
    return Path(os.path.relpath(mask, result.parent)).as_posix()


def _size(image: Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:]
    return int(width), int(height)


def _move(path: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)
    except OSError as error:
        raise cannot_write(place, error.strerror or str(error)) from error


def _forget_parts(path: Path) -> None:
    """Remove what a killed run has left of it."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            part.unlink()
