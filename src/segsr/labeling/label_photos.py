"""`segsr label`: photographs in, masks out, and what became of each.

MASKS/
  <name>.png       indexed PNG of the photograph's size, the palette inside
  label.yaml       the labeler and its threshold; another one is refused
  shards/          a record of each finished shard
  summary.json     class shares and failures of all records
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError, about
from segsr.files.atomic import write_text
from segsr.labeling.base import Labeler
from segsr.labeling.label_shard import KEPT, MADE, OnPhoto, Settings
from segsr.labeling.photos import PhotosToLabel, PhotoToLabel
from segsr.labeling.shards import Shard, cut, is_finished, read_record
from segsr.progress import SILENT, Progress
from segsr.ranks import is_rank_zero

RECIPE = "label.yaml"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Part:
    """Which of several independent jobs this is, as in a SLURM array.

    Attributes:
        index: From 0 on.
        count: Of how many.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise SegSRError(
                f"part.index must be from 0 to part.count - 1 = {self.count - 1}, got {self.index}"
            )


ALL = Part()


@runtime_checkable
class Executor(Protocol):
    """Who labels shards: `OnTrainer`, `OnRay`."""

    def __call__(
        self,
        make_labeler: Callable[[], Labeler],
        shards: Sequence[Shard],
        settings: Settings,
        on_photo: OnPhoto,
    ) -> None:
        """Label `shards` and record each that was gone through."""
        ...

    def share(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return those of `shards` whose photographs this process hears of."""
        ...


@dataclass
class LabelingSummary:
    """What is known of all photographs when a call ends.

    Attributes:
        photos: All that are named.
        made: Masks drawn by this call.
        kept: Masks that were there.
        pixels: Pixels of the masks of all recorded shards, by value.
        failed: Why a photograph has no mask, by path.
        unfinished: Photographs of shards that other jobs have not recorded yet.
    """

    photos: int = 0
    made: int = 0
    kept: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    unfinished: int = 0

    def shares(self, classes: Sequence[str]) -> dict[str, float]:
        """Return each class's share of the pixels, the largest first, last the unlabelled ones'."""
        total = max(1, sum(self.pixels.values()))
        found = {name: self.pixels[i] / total for i, name in enumerate(classes) if self.pixels[i]}
        ordered = dict(sorted(found.items(), key=lambda share: -share[1]))
        return ordered | {"unlabelled": self.pixels[IGNORE_INDEX] / total}


def label_photos(
    photos: PhotosToLabel,
    settings: Settings,
    executor: Executor,
    make_labeler: Callable[[], Labeler],
    *,
    classes: Sequence[str],
    recipe: str,
    shard_size: int = 256,
    part: Part = ALL,
    progress: Progress = SILENT,
) -> LabelingSummary:
    """Draw the masks that are not there yet; return, and write down, what became of all.

    Files are complete or not there at all, and what is there stays as it is. So an interrupted call
    goes on where it was, several jobs may share a list (`part`), and all end with the same bytes,
    whoever labelled what.

    Args:
        photos: What to label.
        settings: How and where to.
        executor: Who labels.
        make_labeler: Makes the labeler, once in each process that labels.
        classes: Those of the labeler.
        recipe: Text of `label.yaml`, by which an earlier call's masks are recognised as the same.
        shard_size: Photographs of a shard, the unit that is shared out and recorded.
        part: Which shards are this job's: each `count`-th from `index` on.
        progress: Hears of each photograph, and why one failed.

    Raises:
        SegSRError: If the folder holds the photographs or masks of another labeler or cannot be
            written, or the executor fails.
    """
    _keep_apart(photos.items, settings)
    _claim(settings.output, recipe)
    shards = cut(photos.items, shard_size)
    todo = [
        shard
        for shard in shards[part.index :: part.count]
        if not is_finished(shard, settings.output, settings.confidence_folder)
    ]
    own = executor.share(todo)
    progress.start("labelling", sum(len(shard.items) for shard in own))

    def on_photo(item: PhotoToLabel, outcome: str) -> None:
        progress.advance()
        if outcome not in (MADE, KEPT):
            progress.tell("failed", about(item.photo, outcome))

    if is_rank_zero():
        for photo, reason in photos.failed.items():
            progress.tell("failed", about(photo, reason))
    executor(make_labeler, todo, settings, on_photo)
    summary = _sum_up(photos, shards, todo, settings.output)
    if is_rank_zero():
        _write(summary, settings.output, classes)
    return summary


def _keep_apart(items: Sequence[PhotoToLabel], settings: Settings) -> None:
    """Make sure that no file is written beside the photographs, where the next call finds it."""
    if not items:
        return
    photo, depth = items[0].photo, items[0].mask.count("/")
    root = photo.parents[depth].resolve()
    for folder in (settings.output, settings.confidence):
        if folder is not None and folder.resolve() == root:
            raise SegSRError(
                f"{folder} holds the photographs, whose names the masks share: name another folder"
            )


def _claim(output: Path, recipe: str) -> None:
    """Make the folder, or make sure that its masks, if there are any, are of the same labeler."""
    known = output / RECIPE
    text = known.read_text(encoding="utf-8") if known.exists() else None
    if text == recipe:
        return
    if next(output.rglob("*.png"), None) is not None:
        whose = f"not of this labeler and threshold ({known})" if text else f"of no {RECIPE}"
        raise SegSRError(f"{output} holds masks {whose}: name a new folder")
    write_text(known, recipe)


def _sum_up(
    photos: PhotosToLabel, shards: Sequence[Shard], todo: Sequence[Shard], output: Path
) -> LabelingSummary:
    summary = LabelingSummary(photos=len(photos.items) + len(photos.failed))
    summary.failed = {str(photo): reason for photo, reason in photos.failed.items()}
    now = {shard.index for shard in todo}
    for shard in shards:
        record = read_record(shard, output)
        if record is None:
            summary.unfinished += len(shard.items)
            continue
        made = record.made if shard.index in now else 0
        summary.made += made
        summary.kept += record.photos - made - len(record.failed)
        summary.pixels.update(record.pixels)
        summary.failed |= record.failed
    return summary


def _write(summary: LabelingSummary, output: Path, classes: Sequence[str]) -> None:
    content = {
        "photos": summary.photos,
        "masks": summary.made + summary.kept,
        "unfinished": summary.unfinished,
        "classes": list(classes),
        "shares": summary.shares(classes),
        "failed": summary.failed,
    }
    write_text(output / SUMMARY, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
