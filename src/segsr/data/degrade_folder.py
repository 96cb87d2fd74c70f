"""A folder of photographs to a folder of pairs, in parallel, resumable, the same bytes every time.

OUT/
  hq/ lq/ lq_bicubic/   <stem>.png each, 8 bits, lossless
  manifest.jsonl        a line per pair: files, sha256, seed, drawn parameters, versions
  config.yaml           the recipe
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import segsr
from segsr.data.pair_maker import PairMaker
from segsr.errors import SegSRError, about
from segsr.files.atomic import write_atomic
from segsr.progress import SILENT, Progress

FOLDERS = ("hq", "lq", "lq_bicubic")
MANIFEST = "manifest.jsonl"
JOURNAL = "manifest.part.jsonl"
"""Records in the order in which pairs were finished; becomes the manifest at the end."""

PairRecord = dict[str, Any]


@dataclass
class PairsSummary:
    """What became of the photographs of one call."""

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    errors: dict[Path, str] = field(default_factory=dict)


def degrade_folder(
    photos: Sequence[Path],
    output: Path,
    make: PairMaker,
    *,
    recipe: str,
    workers: int = 1,
    progress: Progress = SILENT,
) -> PairsSummary:
    """Writes a pair for every photograph, and says what became of each.

    Files are complete or not there at all, and a pair counts as finished once its record is in the
    journal: an interrupted run goes on where it was and ends with the bytes of an undisturbed one,
    whatever the number of workers. A bad photograph is reported and the rest goes on.

    Args:
        photos: Files with different stems.
        output: Folder of the pairs, new or of an earlier call with the same recipe.
        make: Makes the pairs.
        recipe: The text of `config.yaml`, by which an earlier call is recognised.
        workers: Processes, each on one core; 1 works in this process.
        progress: Hears of each photograph, and why one failed.

    Raises:
        SegSRError: The folder was made with another recipe or cannot be written, or a worker died.
    """
    _claim(output, recipe)
    records = {record["photo"]: record for record in _read_records(output)}
    summary = PairsSummary()
    with (output / JOURNAL).open("a", encoding="utf-8") as journal:
        progress.start("degrading", len(photos))

        def fail(photo: Path, reason: str) -> None:
            summary.errors[photo] = reason
            progress.tell("failed", about(photo, reason))
            progress.advance()

        todo = []
        stems: dict[str, Path] = {}
        for photo in photos:
            first = stems.setdefault(photo.stem, photo)
            if first is not photo:
                fail(photo, f"its pair would have the name of that of {first.name}: rename one")
            elif _is_complete(records.get(photo.name), output):
                summary.kept.append(photo)
                progress.advance()
            else:
                todo.append(photo)
        for photo, result in _work(todo, output, make, workers):
            if isinstance(result, str):
                fail(photo, result)
                continue
            records[photo.name] = result
            journal.write(_line(result))
            journal.flush()
            summary.made.append(photo)
            progress.advance()
    lines = [_line(records[name]) for name in sorted(records)]
    write_atomic(output / MANIFEST, "".join(lines).encode())
    (output / JOURNAL).unlink()
    return summary


def _claim(output: Path, recipe: str) -> None:
    """Makes the folders, or makes sure that they are those of the same recipe."""
    config = output / "config.yaml"
    try:
        if config.exists():
            if config.read_text(encoding="utf-8") != recipe:
                raise SegSRError(
                    f"{output} holds pairs of another recipe or seed ({config}): name a new folder"
                )
        elif output.is_dir() and any(output.iterdir()):
            raise SegSRError(f"{output} is not empty and no folder of pairs: name a new folder")
        for folder in FOLDERS:
            (output / folder).mkdir(parents=True, exist_ok=True)
        write_atomic(config, recipe.encode())
    except OSError as error:
        raise SegSRError(
            f"{output} cannot be written ({error.strerror}): name another folder"
        ) from error


def _read_records(output: Path) -> Iterator[PairRecord]:
    """The records of the manifest and the journal; a line cut off by a kill is passed over."""
    for path in (output / MANIFEST, output / JOURNAL):
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def _is_complete(record: PairRecord | None, output: Path) -> bool:
    """Whether a record's files are there and are those it was written for."""
    if record is None:
        return False
    for folder in FOLDERS:
        path = output / record[folder]["file"]
        if not path.exists() or _sha256(path.read_bytes()) != record[folder]["sha256"]:
            return False
    return True


def _work(
    photos: Iterable[Path], output: Path, make: PairMaker, workers: int
) -> Iterator[tuple[Path, PairRecord | str]]:
    """Each photograph with its record, or the sentence that says why there is none."""
    if workers == 1:
        for photo in photos:
            yield photo, _make_pair(photo, output, make)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
        try:
            yield from _bounded(pool, iter(photos), output, make, 4 * workers)
        except BrokenProcessPool as error:
            raise SegSRError(
                "a worker process died, perhaps for lack of memory: run the same command again to "
                "go on, with fewer workers"
            ) from error


def _bounded(
    pool: Executor, photos: Iterator[Path], output: Path, make: PairMaker, limit: int
) -> Iterator[tuple[Path, PairRecord | str]]:
    """Results as they come, with at most `limit` photographs on their way."""
    running: dict[Future[PairRecord | str], Path] = {}
    while True:
        for photo in islice(photos, limit - len(running)):
            running[pool.submit(_make_pair, photo, output, make)] = photo
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def _make_pair(photo: Path, output: Path, make: PairMaker) -> PairRecord | str:
    """Writes the pair of one photograph; its record, or what is wrong."""
    try:
        pair = make(photo)
        record: PairRecord = {"photo": photo.name}
        for folder, image in zip(FOLDERS, (pair.hq, pair.lq, pair.bicubic), strict=True):
            file = f"{folder}/{photo.stem}.png"
            content = _png(image)
            write_atomic(output / file, content)
            size = [image.shape[2], image.shape[1]]
            record[folder] = {"file": file, "size": size, "sha256": _sha256(content)}
    except (SegSRError, OSError) as error:
        return " ".join(str(error).split())
    return record | {
        "seed": make.seed,
        "params": pair.params,
        "versions": {
            "segsr": segsr.__version__,
            **{name: version(name) for name in ("torch", "pillow")},
        },
    }


def _png(image: Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def _line(record: PairRecord) -> str:
    return json.dumps(record) + "\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
