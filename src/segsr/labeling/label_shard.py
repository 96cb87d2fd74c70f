"""A shard of photographs to masks on disk: read ahead, labelled in batches, written behind.

Batches are drawn up over the whole shard, whichever of its masks exist already: photographs of one
size, in the order of the list. A network rounds differently in batches of different sizes, so this
is what makes an interrupted run end with the bytes of an undisturbed one.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from segsr.errors import SegSRError
from segsr.files.mask import write_grey, write_mask
from segsr.files.pixels import read_image, read_labels, read_size
from segsr.labeling.base import Labeler, Size, label
from segsr.labeling.photos import PhotoToLabel
from segsr.labeling.shards import Shard, ShardRecord
from segsr.palette import palette

AHEAD = 2
"""Batches that are read before they are needed."""

OnPhoto = Callable[[PhotoToLabel, str], None]
"""Is told of each photograph what became of it: `MADE`, `KEPT`, or why it failed."""
MADE = "made"
KEPT = "kept"


@dataclass(frozen=True)
class Settings:
    """How masks are drawn, and where to.

    Attributes:
        output: Folder of the masks.
        confidence: Folder of grey PNGs, 255 times the confidence of each pixel; None for none.
        batch_size: Photographs of up to 1 MP that are labelled at once, if they are of one size; of
            larger ones as many as have no more pixels together, but one at least.
        threshold: Least score of a label; see `segsr.labeling.base.label`.
        threads: Threads that decode, beside as many that encode, in each process. A core decodes
            some 80 JPEGs of a megapixel a second and encodes as many masks.
    """

    output: Path
    confidence: Path | None = None
    batch_size: int = 8
    threshold: float = 0.0
    threads: int = 2

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SegSRError(f"batch_size must be at least 1 photograph, got {self.batch_size}")
        if self.threads < 1:
            raise SegSRError(f"threads must be at least 1, got {self.threads}")
        if self.confidence_folder == str(self.output.resolve()):
            raise SegSRError(
                f"masks and confidence have the same names, so {self.output} cannot hold both:"
                " give each a folder"
            )
        if not 0 <= self.threshold <= 1:
            raise SegSRError(f"threshold must be from 0 to 1, as scores are, got {self.threshold}")

    @property
    def confidence_folder(self) -> str | None:
        """The folder of the confidence, as records name it."""
        return None if self.confidence is None else str(self.confidence.resolve())

    def batch_of(self, size: Size) -> int:
        """Return how many photographs of a size are labelled at once."""
        return max(1, min(self.batch_size, self.batch_size * 2**20 // (size[0] * size[1])))

    def files(self, item: PhotoToLabel) -> list[Path]:
        """Return the files that are made of a photograph."""
        folders = [self.output] if self.confidence is None else [self.confidence, self.output]
        return [folder / item.mask for folder in folders]


def label_shard(
    labeler: Labeler,
    shard: Shard,
    settings: Settings,
    *,
    device: torch.device | str = "cpu",
    on_photo: OnPhoto = lambda item, outcome: None,
) -> ShardRecord:
    """Write the masks of a shard that are not there yet; return what became of its photographs.

    A bad photograph fails by itself and the rest goes on; files are complete or not there.

    Args:
        labeler: On `device`.
        shard: What to label.
        settings: How and where to.
        device: That of the labeler.
        on_photo: Is told of every photograph.

    Raises:
        SegSRError: If nothing can be written.
    """
    n = settings.threads
    with ThreadPoolExecutor(n) as readers, ThreadPoolExecutor(n) as writers:
        run = _Run(labeler, settings, torch.device(device), on_photo, readers, writers)
        return run(shard)


class _Run:
    """The state of one call of `label_shard`."""

    def __init__(
        self,
        labeler: Labeler,
        settings: Settings,
        device: torch.device,
        on_photo: OnPhoto,
        readers: ThreadPoolExecutor,
        writers: ThreadPoolExecutor,
    ) -> None:
        self.labeler = labeler
        self.settings = settings
        self.device = device
        self.on_photo = on_photo
        self.readers = readers
        self.writers = writers
        self.colours = palette(labeler.classes)

    def __call__(self, shard: Shard) -> ShardRecord:
        self.record = ShardRecord(
            shard.digest, len(shard.items), confidence=self.settings.confidence_folder
        )
        self._label(self._batches(shard.items))
        return self.record

    def _batches(self, items: Sequence[PhotoToLabel]) -> list[list[PhotoToLabel]]:
        """Photographs of one size each, in the order of the list."""
        by_size: dict[Size, list[PhotoToLabel]] = defaultdict(list)
        for item, size in zip(items, self.readers.map(_size, items), strict=True):
            if isinstance(size, str):
                self._fail(item, size)
            else:
                by_size[size].append(item)
        batches = []
        for size, same in by_size.items():
            n = self.settings.batch_of(size)
            batches += [same[i : i + n] for i in range(0, len(same), n)]
        return batches

    def _label(self, batches: Sequence[list[PhotoToLabel]]) -> None:
        writing: deque[tuple[PhotoToLabel, Future[Counter[int]]]] = deque()
        try:
            for items, photos in self._read_ahead(self._unfinished(batches)):
                for item, mask, confidence in self._labels(items, photos):
                    task = self.writers.submit(self._write, item, mask, confidence)
                    writing.append((item, task))
                while len(writing) > AHEAD * self.settings.batch_size:
                    self._written(*writing.popleft())
            while writing:
                self._written(*writing.popleft())
        except BaseException:
            for _, task in writing:
                task.cancel()
            raise

    def _unfinished(self, batches: Sequence[list[PhotoToLabel]]) -> Iterator[list[PhotoToLabel]]:
        """The batches of which a file is not there; those of which all are count as kept."""
        for items in batches:
            if all(path.exists() for item in items for path in self.settings.files(item)):
                for item in items:
                    self._keep(item)
            else:
                yield items

    def _read_ahead(
        self, batches: Iterator[list[PhotoToLabel]]
    ) -> Iterator[tuple[list[PhotoToLabel], UInt8[Tensor, "b 3 h w"]]]:
        """Batches with their pixels, without the photographs that cannot be read."""
        reading: deque[list[tuple[PhotoToLabel, Future[Tensor]]]] = deque()
        while True:
            while len(reading) <= AHEAD and (items := next(batches, None)) is not None:
                reading.append([(i, self.readers.submit(read_image, i.photo)) for i in items])
            if not reading:
                return
            photos: dict[PhotoToLabel, Tensor] = {}
            for item, task in reading.popleft():
                try:
                    photo = task.result()
                except SegSRError as error:
                    self._fail(item, str(error))
                    continue
                first = next(iter(photos.values()), photo)
                if photo.shape == first.shape:
                    photos[item] = photo
                else:
                    self._fail(
                        item, f"{item.photo} is not of the size its header tells: replace it"
                    )
            if photos:
                yield list(photos), torch.stack(list(photos.values()))

    def _labels(
        self, items: list[PhotoToLabel], photos: UInt8[Tensor, "b 3 h w"]
    ) -> Iterator[tuple[PhotoToLabel, Tensor, Tensor]]:
        """The items whose files are not there, with masks and confidence."""
        try:
            images = photos.to(self.device).float() / 255
            labels = label(self.labeler, images, threshold=self.settings.threshold)
            masks = labels.masks.to(torch.uint8).cpu()
            confidence = (255 * labels.confidence).round().to(torch.uint8).cpu()
        except Exception as error:  # a network may dislike a size in as many ways as there are
            for item in items:
                self._fail(item, _reason(error, photos.shape))
            return
        for i, item in enumerate(items):
            if all(path.exists() for path in self.settings.files(item)):
                self._keep(item)
            else:
                yield item, masks[i], confidence[i]

    def _write(
        self, item: PhotoToLabel, mask: UInt8[Tensor, "h w"], confidence: UInt8[Tensor, "h w"]
    ) -> Counter[int]:
        """Write what is not there of an item, the mask last; return the mask's histogram."""
        path = self.settings.output / item.mask
        if self.settings.confidence is not None:
            grey = self.settings.confidence / item.mask
            if not grey.exists():
                write_grey(grey, confidence)
        if path.exists():
            return _histogram(read_labels(path))
        write_mask(path, mask, self.colours)
        return _histogram(mask)

    def _written(self, item: PhotoToLabel, task: Future[Counter[int]]) -> None:
        self.record.pixels.update(task.result())
        self.record.made += 1
        self.on_photo(item, MADE)

    def _keep(self, item: PhotoToLabel) -> None:
        try:
            self.record.pixels.update(_histogram(read_labels(self.settings.output / item.mask)))
        except SegSRError as error:
            self._fail(item, f"{error}, or remove it to have it drawn again")
        else:
            self.on_photo(item, KEPT)

    def _fail(self, item: PhotoToLabel, reason: str) -> None:
        self.record.failed[str(item.photo)] = reason
        self.on_photo(item, reason)


def _size(item: PhotoToLabel) -> Size | str:
    """The size of a photograph, or why there is none."""
    try:
        return read_size(item.photo)
    except SegSRError as error:
        return str(error)


def _histogram(mask: UInt8[Tensor, "h w"]) -> Counter[int]:
    # numpy: torch's threads would stand in the way of the network's
    counts = np.bincount(mask.numpy().ravel(), minlength=256).tolist()
    return Counter({value: n for value, n in enumerate(counts) if n})


def _reason(error: Exception, shape: torch.Size) -> str:
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return f"not enough memory for {shape[0]} photographs of this size: lower batch_size"
    return " ".join(str(error).split()) or type(error).__name__
