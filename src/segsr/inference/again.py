"""A result once more, from its record."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from segsr.errors import SegSRError, about
from segsr.inference.outcomes import Outcome, Summary
from segsr.inference.places import MASKS, Place
from segsr.inference.records import Making, Record, Source, digest, missing_keys, read_record
from segsr.inference.save import versions
from segsr.inference.settings import Settings
from segsr.inference.standing import judge
from segsr.inference.upscale import Job, OnPhoto, find_device, restore_jobs, source_of_model
from segsr.progress import SILENT, Progress


def repeat(
    result: Path,
    output: Path | None = None,
    *,
    photo: Path | None = None,
    model: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    on_photo: OnPhoto = lambda outcome: None,
    progress: Progress = SILENT,
) -> Summary:
    """Restore the photograph of a result as its record says, and return what became of it.

    The bytes are those of the result, if device and versions are.

    Args:
        result: The result, which need not be there any more; its record must.
        output: Folder to write to; where the result is if None.
        photo: Where the photograph is now, if it has moved.
        model: Where the model is now, if it has moved.
        device: See `segsr.inference.upscale.upscale_files`.
        overwrite: Replace a file that was made otherwise.
        on_photo: Is told what became of the photograph.
        progress: Hears of each step.

    Raises:
        SegSRError: If there is no record, or what it names is gone or has changed.
    """
    chosen = find_device(device)
    record = _record(result)
    settings = _settings(record)
    making = _making(record, photo, model)
    place = _place(record, result, output, Path(making.photo.name))
    summary = Summary()

    def report(outcome: Outcome) -> None:
        summary.outcomes.append(outcome)
        if outcome.status == "failed":
            progress.tell("failed", about(outcome.photo, outcome.reason))
        on_photo(outcome)

    standing, reason = judge(place, lambda: making)
    if standing == "differs" and not overwrite:
        report(Outcome(place.photo, "differs", place.result, place.mask, reason))
        return summary
    made_by = [f"{name} {version}" for name, version in record.versions.items()]
    if changed := set(made_by) - {f"{name} {version}" for name, version in versions().items()}:
        progress.tell("note", f"made with {', '.join(sorted(changed))}: bytes may differ")
    mask = None if making.mask is None else Path(making.mask.name)
    name = Path(record.making.photo.name).name
    job = Job(place, lambda: making, mask, name)
    restore_jobs([job], settings, making.model.name, chosen, report, progress)
    return summary


def _record(result: Path) -> Record:
    try:
        record = read_record(result)
    except SegSRError as error:
        raise SegSRError(f"{result} cannot be repeated: {error}") from error
    if record is None:
        raise SegSRError(f"no record says how {result} was made: name a result of segsr upscale")
    return record


def _settings(record: Record) -> Settings:
    recorded: Any = record.making.settings
    made_by = record.versions.get("segsr", "of another version")
    strange = missing_keys(recorded, asdict(Settings()))
    try:
        if strange:
            raise SegSRError(f"{', '.join(strange)} not in both")
        return TypeAdapter(Settings).validate_python(recorded)
    except (SegSRError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SegSRError(
            f"the recorded settings are none of this segsr's ({reason}): use segsr {made_by}"
        ) from error


def _making(record: Record, photo: Path | None, model: str | None) -> Making:
    """What the record says, where it is now; nothing of it may have changed."""
    was = record.making
    found = _found("photograph", was.photo, photo, "name where it is: segsr upscale PHOTO --again")
    mask = None if was.mask is None else _found("mask", was.mask, None, "put it back")
    now = source_of_model(model or was.model.name)
    if now.sha256 != was.model.sha256:
        raise SegSRError(
            f"model {now.name} is not the one of the record: name where that is with --model"
        )
    return Making(found, now, mask, was.settings)


def _found(kind: str, was: Source, now: Path | None, remedy: str) -> Source:
    path = Path(was.name) if now is None else now
    if not path.is_file():
        raise SegSRError(f"the {kind} {path} is gone: {remedy}")
    content = digest(path)
    if content != was.sha256:
        raise SegSRError(
            f"the {kind} {path} is not the one of the record, its content has changed: {remedy}"
        )
    return Source(os.path.abspath(path), content)


def _place(record: Record, result: Path, output: Path | None, photo: Path) -> Place:
    home = result.parent if output is None else output
    if record.mask is None:
        mask = None
    elif home.resolve() == result.parent.resolve():
        mask = home / record.mask.name
    else:
        mask = home / MASKS / Path(record.mask.name).name
    return Place(photo, home / result.name, mask, Path(result.stem))
