"""Files in, files out: `segsr upscale`."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from segsr.batch import SCALE
from segsr.checkpoints.folder import find_folder
from segsr.checkpoints.hub import file_digest, model_files, sums_text
from segsr.errors import SegSRError, about
from segsr.files.mask import read_mask
from segsr.files.photo import Photo, read_photo
from segsr.files.walk import find_photos
from segsr.inference.bands import bands
from segsr.inference.forecast import Forecast
from segsr.inference.given_masks import find_given_masks
from segsr.inference.outcomes import Outcome, Status, Summary
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.places import Place, find_clashes, find_places
from segsr.inference.records import Making, Record, Source, as_json, digest, read_record
from segsr.inference.save import save
from segsr.inference.settings import Settings
from segsr.inference.standing import judge
from segsr.progress import SILENT, Progress

OnPhoto = Callable[[Outcome], None]
"""Is told of every photograph what became of it."""


def upscale_files(
    inputs: Sequence[Path],
    output: Path,
    settings: Settings | None = None,
    *,
    model: str = "compact",
    mask: Path | None = None,
    masks: bool = True,
    device: str = "auto",
    overwrite: bool = False,
    on_photo: OnPhoto = lambda outcome: None,
    progress: Progress = SILENT,
    **values: Any,
) -> Summary:
    """Restore photographs, one after another, and return what became of each.

    `photo.jpg` becomes `output/photo.png`, SCALE times as large or of another size, its mask
    `output/masks/photo.png`, 255 (dark grey) where the model is unsure, and a record of how it was
    made (`segsr.inference.records`). Folders keep their tree, see `segsr.inference.places`. The
    noise of a photograph depends on the seed and its file name only. A result that is there and the
    same is kept; one that was made otherwise is reported and left alone. A bad file is reported
    and the rest goes on; files are complete or not there at all.

    Args:
        inputs: Photographs, and folders of them.
        output: Folder of the results; made if missing.
        settings: How results are made; as the model was trained if None.
        model: `compact`, a model folder or a hub id.
        mask: A mask file for the one photograph, or a folder of masks, see
            `segsr.inference.given_masks`; a photograph without one gets SegDM's.
        masks: Whether to write masks.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: Replace results that differ from what is wanted.
        on_photo: Is told of every photograph.
        progress: Hears of each step, and why a photograph failed.
        **values: Single values of `Settings`, in place of those of `settings`.

    Raises:
        SegSRError: If no input is a photograph, a mask cannot belong to any, the model cannot be
            loaded, or the settings ask what it cannot do.
    """
    settings = replace(settings or Settings(), **values)
    chosen = find_device(device)
    found = find_photos(inputs, leave_out=[output, *([mask] if mask else [])])
    places = find_places(found.photos, output, settings.format, masks=masks)
    given = find_given_masks(places, mask)
    summary = Summary(ignored=found.ignored)

    def report(outcome: Outcome) -> None:
        summary.outcomes.append(outcome)
        if outcome.status == "failed":
            progress.tell("failed", about(outcome.photo, outcome.reason))
        on_photo(outcome)

    for folder, reason in found.unread.items():
        report(Outcome(folder, "failed", reason=reason))
    sources = {photo: Source(os.path.abspath(file), digest(file)) for photo, file in given.items()}
    making = partial(
        making_of, model=source_of_model(model), masks=sources, settings=as_json(settings)
    )
    jobs = _jobs(places, given, making, overwrite, report, progress)
    restore_jobs(jobs, settings, model, chosen, report, progress)
    return summary


@dataclass(frozen=True)
class Job:
    """A photograph to restore.

    Attributes:
        place: The photograph and where its result goes.
        making: Tells what the result depends on.
        mask: A mask that was handed in.
        name: Joins the seed in the key of the noise.
    """

    place: Place
    making: Callable[[], Making]
    mask: Path | None
    name: str


def restore_jobs(
    jobs: Sequence[Job],
    settings: Settings,
    model: str,
    device: torch.device,
    report: OnPhoto,
    progress: Progress = SILENT,
) -> None:
    """Restore photographs and write what is made of them; nothing is loaded if there are none.

    Args:
        jobs: What to restore, and where to.
        settings: How.
        model: See `upscale_files`.
        device: Where to.
        report: Is told of every photograph.
        progress: Hears of each step.

    Raises:
        SegSRError: If the model cannot be loaded, or `settings` ask what it cannot do.
    """
    if not jobs:
        return
    pipeline = SegSRPipeline.from_pretrained(model).to(device)
    pipeline.model.image.check(settings.options)
    steps = settings.options.steps or pipeline.model.image.steps
    begun = None  # the first job on the line that is shown
    for i, job in enumerate(jobs):
        if begun is None:
            progress.start("restoring", steps * (len(jobs) - i))
            begun = i
        progress.reach(steps * (i - begun), job.place.photo.name)
        begin = time.perf_counter()
        try:
            photo = read_photo(job.place.photo)
            if photo.note is not None:
                progress.tell("note", f"{job.place.photo.name}: {photo.note}")
            if _begin_line(pipeline, job, photo, settings, progress):
                begun = None
            report(_restore(pipeline, job, photo, settings, begin, progress))
        except Exception as error:
            seconds = round(time.perf_counter() - begin, 3)
            report(Outcome(job.place.photo, "failed", reason=_reason(error), seconds=seconds))
    if begun is not None:
        progress.reach(steps * (len(jobs) - begun), "done")


def making_of(
    place: Place, *, model: Source, masks: Mapping[Path, Source], settings: Mapping[str, Any]
) -> Making:
    """Return what the result of a photograph depends on.

    Args:
        place: The photograph.
        model: Of `source_of_model`.
        masks: Masks that were handed in, by photograph.
        settings: As JSON.

    Raises:
        SegSRError: If the photograph cannot be read.
    """
    photo = Source(os.path.abspath(place.photo), digest(place.photo))
    return Making(photo, model, masks.get(place.photo), settings)


def source_of_model(model: str) -> Source:
    """Return the name and the digest of a model.

    Raises:
        SegSRError: If there is no such model.
    """
    folder = find_folder(model)
    name = os.path.abspath(model) if Path(model).is_dir() else model
    files = model_files(folder)  # as they are now, whatever `SHA256SUMS` says they were
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    return Source(name, hashlib.sha256(sums_text(digests).encode()).hexdigest())


def find_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        SegSRError: If the device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((device for device, there in present.items() if there), "cpu"))
    if not present.get(name, True):
        raise SegSRError(f"no {name} device is available here: use --device cpu or auto.")
    return torch.device(name)


def _jobs(
    places: Sequence[Place],
    given: Mapping[Path, Path],
    making: Callable[[Place], Making],
    overwrite: bool,
    report: OnPhoto,
    progress: Progress,
) -> list[Job]:
    """What is left to do; what is not is reported."""
    clashes = find_clashes(places, given)
    jobs = []
    there = sum(place.result.exists() for place in places)
    if there:
        progress.start("comparing with what is there", there)
    for place in places:
        if place.photo in clashes:
            report(Outcome(place.photo, "failed", reason=clashes[place.photo]))
            continue
        make = partial(making, place)
        try:
            standing, reason = judge(place, make)
        except SegSRError as error:
            report(Outcome(place.photo, "failed", reason=str(error)))
            continue
        if place.result.exists():
            progress.advance()
        if standing == "missing" or (standing == "differs" and overwrite):
            jobs.append(Job(place, make, given.get(place.photo), place.photo.name))
        elif standing == "differs":
            report(Outcome(place.photo, "differs", place.result, place.mask, reason))
        else:
            record = read_record(place.result)
            assert record is not None
            report(_outcome(place, "skipped", record))
    return jobs


def _begin_line(
    pipeline: SegSRPipeline, job: Job, photo: Photo, settings: Settings, progress: Progress
) -> bool:
    """Give a photograph that goes in bands a line of its own, which tells the time left."""
    height, width = photo.image.shape[-2:]
    layout = pipeline.lay_out(height, width, settings.options, settings.tile)
    count = len(bands(height, layout)[1])
    if count == 1:
        return False
    steps = settings.options.steps or pipeline.model.image.steps
    what = f"{job.place.photo.name}: {SCALE * width}x{SCALE * height} px in {count} bands"
    progress.start(what, steps * count)
    return True


def _restore(
    pipeline: SegSRPipeline,
    job: Job,
    photo: Photo,
    settings: Settings,
    begin: float,
    progress: Progress,
) -> Outcome:
    making, size = job.making(), (photo.image.shape[-2], photo.image.shape[-1])
    forecast = Forecast(
        pipeline.model,
        size,
        pipeline.lay_out(*size, settings.options, settings.tile),
        settings.options.steps or pipeline.model.image.steps,
        lambda sentence: progress.tell("note", f"{job.place.photo.name}: {sentence}"),
    )
    restoration = pipeline(
        photo.image,
        settings.options,
        seed=settings.seed,
        name=job.name,
        tile=settings.tile,
        mask=None if job.mask is None else read_mask(job.mask),
        on_step=lambda t: progress.advance(),
        on_tile=forecast,
        **asdict(settings.size),
    )
    done = restoration.enlargement
    if done is not None and (done.resized or done.passes > 1):
        progress.tell("note", f"{job.place.photo.name}: {done}")
    record = save(
        job.place,
        restoration,
        photo,
        making,
        quality=settings.quality,
        begin=begin,
        device=pipeline.device.type,
    )
    return _outcome(job.place, "restored", record)


def _outcome(place: Place, status: Status, record: Record) -> Outcome:
    return Outcome(
        place.photo,
        status,
        place.result,
        place.mask,
        seconds=record.seconds if status == "restored" else 0.0,
        photo_size=record.photo_size,
        result_size=record.result_size,
    )


def _reason(error: Exception) -> str:
    lacking = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    if lacking or "DefaultCPUAllocator" in str(error):  # a CPU's lack is a plain RuntimeError
        return "not enough memory: give a smaller --tile"
    return " ".join(str(error).split()) or type(error).__name__
