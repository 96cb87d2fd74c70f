"""Folders of images to records: every metric once per image, resumed where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from segsr.errors import SegSRError
from segsr.evaluation.inputs import PhotoImages, read_images, set_digests
from segsr.evaluation.measure import measure
from segsr.evaluation.pairing import PhotoFiles, pair_files
from segsr.evaluation.records import ImageRecord, as_line, read_records, stamp
from segsr.files.atomic import write_text
from segsr.metrics.image_metric import ImageMetric
from segsr.progress import SILENT, Progress
from segsr.vocabularies import IDENTITY

RECORDS = "records.jsonl"
_READERS = 2  # threads: Pillow decodes without holding Python's lock
_READ_AHEAD = 2  # batches


@dataclass
class Evaluation:
    """What an evaluation found.

    Attributes:
        records: By name of the photograph, in order of the names.
        problems: One sentence each for what was missing, broken or left over.
        expected: Photographs of the test set.
    """

    records: dict[str, ImageRecord]
    problems: list[str] = field(default_factory=list)
    expected: int = 0

    @property
    def digests(self) -> dict[str, str]:
        """The identity of what was measured of the test set, by role."""
        return set_digests(record.pixels for record in self.records.values())


def evaluate_folders(
    folders: Mapping[str, Path],
    metrics: Mapping[str, ImageMetric],
    settings: Mapping[str, str],
    output: Path,
    *,
    batch_size: int = 4,
    device: torch.device | str = "cpu",
    label_map: Mapping[int, int] = IDENTITY,
    title: str = "evaluating",
    progress: Progress = SILENT,
) -> Evaluation:
    """Measure the images of `folders`.

    Measurements in `output` are kept where neither the files nor the metric's settings changed.
    A bad image is reported and the rest goes on.

    Args:
        folders: By role: `restored`, `hq`, `lq`, `mask`, `label`.
        metrics: By name; each needs its inputs among the folders.
        settings: Settings of each metric by name, as text.
        output: Folder of `records.jsonl`.
        batch_size: Images measured at once; only images of one size share a batch.
        device: Where the images are moved to.
        label_map: What the true masks' labels mean; see `segsr.evaluation.inputs.read_images`.
        title: What `progress` calls this.
        progress: Hears of each image and each problem.

    Raises:
        SegSRError: If a folder is missing or empty, or `output` cannot be written.
    """
    pairing = pair_files(folders)
    problems = [*pairing.missing, *pairing.extra]
    path = output / RECORDS
    write_text(path, "".join(map(as_line, read_records(path).values())))
    records: dict[str, ImageRecord] = {}
    todo: list[tuple[PhotoFiles, ImageRecord]] = []
    known = read_records(path)
    for photo in pairing.photos:
        record = _kept(known.get(photo.name), photo, settings)
        records[photo.name] = record
        if any(name not in record.metrics for name in metrics):
            todo.append((photo, record))
    with path.open("a", encoding="utf-8") as journal:
        for problem in problems:
            progress.tell("note", problem)
        progress.start(title, len(pairing.photos))
        progress.advance(len(pairing.photos) - len(todo))

        def complain(problem: str) -> None:
            problems.append(problem)
            progress.tell("failed", problem)

        reading = partial(read_images, label_map=label_map)
        ahead = _read_ahead([photo for photo, _ in todo], reading, _READ_AHEAD * batch_size)
        for batch in _batches(ahead, batch_size):
            reads = []
            for photo, read in batch:
                if isinstance(read, PhotoImages):
                    reads.append(read)
                else:
                    complain(read)
                    del records[photo.name]
                    progress.advance()
            if not reads:
                continue
            # what one image of a batch has, all have but after a metric failed on one of them
            wanted = {
                name: metric
                for name, metric in metrics.items()
                if any(name not in records[read.photo.name].metrics for read in reads)
            }
            images = {
                role: torch.cat([read.images[role] for read in reads]).to(device)
                for role in reads[0].images
            }
            for read, measured in zip(reads, measure(wanted, images), strict=True):
                record = records[read.photo.name]
                record.pixels = dict(read.pixels)
                for name, values in measured.values.items():
                    record.values.update(values)
                    record.metrics[name] = settings[name]
                for name, reason in measured.problems.items():
                    complain(f"{read.photo.name}: no {name} ({reason})")
                journal.write(as_line(record))
                progress.advance()
            journal.flush()
    ordered = {name: records[name] for name in sorted(records)}
    write_text(path, "".join(map(as_line, ordered.values())))
    return Evaluation(ordered, problems, len(pairing.photos) + len(pairing.missing))


def _kept(
    record: ImageRecord | None, photo: PhotoFiles, settings: Mapping[str, str]
) -> ImageRecord:
    """What still holds of an earlier record: nothing if a file changed since."""
    files = stamp(photo.files)
    if record is None or record.files != files:
        return ImageRecord(photo.name, files)
    stale = [name for name, node in record.metrics.items() if settings.get(name, node) != node]
    for name in stale:
        del record.metrics[name]
    return record


def _read_ahead(
    photos: Sequence[PhotoFiles], reading: Callable[[PhotoFiles], PhotoImages], ahead: int
) -> Iterator[tuple[PhotoFiles, PhotoImages | str]]:
    """Yield each photo's images, or why there are none, read by threads a little ahead."""
    waiting: deque[tuple[PhotoFiles, Future[PhotoImages]]] = deque()
    todo = iter(photos)
    with ThreadPoolExecutor(_READERS) as pool:
        for photo in islice(todo, ahead):
            waiting.append((photo, pool.submit(reading, photo)))
        while waiting:
            photo, future = waiting.popleft()
            if (following := next(todo, None)) is not None:
                waiting.append((following, pool.submit(reading, following)))
            try:
                yield photo, future.result()
            except SegSRError as error:
                yield photo, str(error)


def _batches(
    reads: Iterator[tuple[PhotoFiles, PhotoImages | str]], batch_size: int
) -> Iterator[list[tuple[PhotoFiles, PhotoImages | str]]]:
    """Yield lists of at most `batch_size` images of one size; a bad one fits any."""
    batch: list[tuple[PhotoFiles, PhotoImages | str]] = []
    size = None
    for photo, read in reads:
        other = isinstance(read, PhotoImages) and size not in (None, read.size)
        if batch and (other or len(batch) == batch_size):
            yield batch
            batch, size = [], None
        batch.append((photo, read))
        if isinstance(read, PhotoImages):
            size = read.size
    if batch:
        yield batch
