"""How a result was made: a JSON file for each, in a hidden folder beside it.

    OUT/trip/a.png  ->  OUT/trip/.segsr/a.png.json

Beside, so that a record is found from its result alone and goes where its folder goes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from segsr.errors import SegSRError
from segsr.files.atomic import write_text

FORMAT = 1
FOLDER = ".segsr"
"""What holds the records of a folder's results."""


@dataclass(frozen=True)
class Source:
    """Something that a result was made with.

    Attributes:
        name: Path of a file or a folder, or the name of a packaged model or one of the hub.
        sha256: Of its content.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class Making:
    """All that a result depends on.

    Attributes:
        photo: The photograph, by its absolute path.
        model: The model, with the digest of its weights and configurations.
        mask: The mask that was handed in.
        settings: A `segsr.inference.settings.Settings` as JSON.
    """

    photo: Source
    model: Source
    mask: Source | None
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        name: Its path from the folder of the result.
        size: Bytes.
        modified: Time of its last change, ns.
        sha256: Of its content.
    """

    name: str
    size: int
    modified: int
    sha256: str

    def is_still(self, path: Path) -> bool:
        """Whether `path` holds the same bytes; looked at only if it has another time."""
        stat = path.stat()
        if stat.st_size != self.size:
            return False
        return stat.st_mtime_ns == self.modified or digest(path) == self.sha256


@dataclass(frozen=True)
class Record:
    """How a result was made.

    Attributes:
        making: What it depends on.
        result: The result.
        mask: The mask that was written with it.
        photo_size: Width and height of the photograph.
        result_size: Width and height of the result.
        at: When it was finished, ISO 8601.
        seconds: How long it took.
        device: What computed it.
        versions: Of segsr and of what it stands on.
        format: Of this file.
    """

    making: Making
    result: Written
    mask: Written | None
    photo_size: tuple[int, int]
    result_size: tuple[int, int]
    at: str
    seconds: float
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


def record_of(result: Path) -> Path:
    """Return where the record of a result is."""
    return result.parent / FOLDER / f"{result.name}.json"


def read_record(result: Path) -> Record | None:
    """Return how `result` was made; None if there is no record.

    Raises:
        SegSRError: If the record is damaged, or of a later format.
    """
    path = record_of(result)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        if content["format"] > FORMAT:
            raise SegSRError(
                f"its record {path} has format {content['format']}: update segsr, which reads"
                f" {FORMAT}"
            )
        return TypeAdapter(Record).validate_python(content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SegSRError(f"its record {path} is damaged ({_first_line(error)})") from error


def write_record(result: Path, record: Record) -> None:
    """Write how `result` was made, whole or not at all.

    Raises:
        SegSRError: If it cannot be written.
    """
    write_text(record_of(result), json.dumps(asdict(record), indent=2) + "\n")


def differences(recorded: Making, wanted: Making) -> list[str]:
    """Return what sets a result apart from the one that is wanted, such as `steps 1 -> 4`."""
    return [
        *_of_photo(recorded.photo, wanted.photo),
        *_of_source("model", recorded.model, wanted.model),
        *_of_source("mask", recorded.mask, wanted.mask),
        *_of_settings(recorded.settings, wanted.settings),
    ]


def digest(path: Path) -> str:
    """Return the sha256 of a file.

    Raises:
        SegSRError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SegSRError(f"{path} cannot be read ({error.strerror}): check the path") from error


def as_json(settings: Any) -> dict[str, Any]:
    """Return a dataclass as a record holds it."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return values


def missing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of settings that only one of two nested mappings has."""
    return sorted(".".join(key) for key in _flat(one).keys() ^ _flat(other).keys())


def _of_photo(recorded: Source, wanted: Source) -> Iterator[str]:
    if Path(recorded.name).name != Path(wanted.name).name:  # it keys the noise
        yield f"made from {recorded.name}"
    elif recorded.sha256 != wanted.sha256:
        yield "the photograph has changed"


def _of_source(kind: str, recorded: Source | None, wanted: Source | None) -> Iterator[str]:
    if (recorded and recorded.sha256) == (wanted and wanted.sha256):
        return
    names = [source.name if source else "none" for source in (recorded, wanted)]
    yield f"{kind} {names[0]} -> {names[1]}" if names[0] != names[1] else f"the {kind} has changed"


def _of_settings(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    before, now = _flat(recorded), _flat(wanted)
    for key in dict.fromkeys([*now, *before]):
        old, new = (values.get(key, _UNKNOWN) for values in (before, now))
        if old != new:
            yield f"{key[-1].replace('_', '-')} {_shown(old)} -> {_shown(new)}"


_UNKNOWN = object()


def _flat(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The values of nested mappings by their path."""
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, (*path, key))
        else:
            flat[(*path, key)] = value
    return flat


def _shown(value: Any) -> str:
    if value is _UNKNOWN:
        return "not recorded"
    if value is None:
        return "default"
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _first_line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()) or type(error).__name__
