"""Samples by position (training) and by index (evaluation)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from segsr.data.crop import centre_crop, crop_to_multiple, random_crop, random_window
from segsr.data.image_folder import Files
from segsr.data.read import SamplePixels, read_sample
from segsr.data.sampler import index_at
from segsr.errors import SegSRError
from segsr.seeding import generator


@dataclass(frozen=True)
class Sample:
    """What a data set hands to `collate`.

    A complaint travels as text, since an error raised in a worker process would arrive with a
    traceback around its sentence.

    Attributes:
        photo: The sample; None if there is none to be had.
        position: Its place in the training stream; None outside training.
        complaints: Path and one sentence for each bad file met on the way.
    """

    photo: SamplePixels | None
    position: int | None = None
    complaints: tuple[tuple[str, str], ...] = ()


class Reader:
    """Reads the samples of a list of files, once each if `cache` is set.

    Args:
        files: What to read.
        cache: Keep the decoded bytes in memory; a worker process keeps its own, beside what was
            read before it was forked.
    """

    def __init__(self, files: Sequence[Files], *, cache: bool = False) -> None:
        self.files = files
        self.cache: dict[int, SamplePixels] | None = {} if cache else None

    def __call__(self, index: int) -> SamplePixels:
        """The sample of `files[index]`.

        Raises:
            SegSRError: As `read_sample`.
        """
        if self.cache is None:
            return read_sample(self.files[index])
        if index not in self.cache:
            self.cache[index] = read_sample(self.files[index])
        return self.cache[index]

    def preload(self) -> None:
        """Read all files into the cache, on all cores; bad ones are left for their turn."""

        def load(index: int) -> None:
            with suppress(SegSRError):
                self(index)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(load, range(len(self.files))))


class TrainingSet(Dataset[Sample]):
    """The endless training stream: random crops by position.

    A bad file is replaced by the next good one of the list; the draws stay those of the position.

    Args:
        read: Reads a file by index.
        crop_size: Side of the square crops.
        seed: Key of all randomness, together with the position.
        min_scale: See `random_crop`.
        flip: See `random_crop`.
        own_lq: Keep the files' own LQ versions, cropped alike and never shrunk.
        skip: Replace bad files; else the first one is the sample's only complaint.
    """

    def __init__(
        self,
        read: Reader,
        crop_size: int,
        *,
        seed: int = 0,
        min_scale: float = 1.0,
        flip: bool = True,
        own_lq: bool = False,
        skip: bool = False,
    ) -> None:
        self.read = read
        self.crop_size = crop_size
        self.seed = seed
        self.min_scale = min_scale
        self.flip = flip
        self.own_lq = own_lq
        self.skip = skip

    def __len__(self) -> int:
        return len(self.read.files)

    def __getitem__(self, position: int) -> Sample:
        complaints: list[tuple[str, str]] = []
        first = index_at(self.seed, position, len(self))
        for step in range(len(self) if self.skip else 1):
            index = (first + step) % len(self)
            try:
                photo = self.read(index)
            except SegSRError as error:
                complaints.append((str(self.read.files[index].image), str(error)))
                continue
            return Sample(self._crop(photo, position), position, tuple(complaints))
        return Sample(None, position, tuple(complaints))

    def _crop(self, photo: SamplePixels, position: int) -> SamplePixels:
        draws = generator(self.seed, "augment", position)
        if self.own_lq:
            return random_window(photo, self.crop_size, draws, flip=self.flip)
        return random_crop(photo, self.crop_size, draws, min_scale=self.min_scale, flip=self.flip)


class EvaluationSet(Dataset[Sample]):
    """Whole photographs, or their middles, in the order of the files.

    Args:
        read: Reads a file by index.
        crop: Side of the centre crop; None takes all of a photograph that is a multiple of
            `multiple`.
        multiple: What the sides of a whole photograph are cut down to a multiple of.
    """

    def __init__(self, read: Reader, *, crop: int | None = None, multiple: int = 16) -> None:
        self.read = read
        self.crop = crop
        self.multiple = multiple

    def __len__(self) -> int:
        return len(self.read.files)

    def __getitem__(self, index: int) -> Sample:
        try:
            photo = self.read(index)
            if self.crop is not None:
                return Sample(centre_crop(photo, self.crop))
            return Sample(crop_to_multiple(photo, self.multiple))
        except SegSRError as error:
            return Sample(None, None, ((str(self.read.files[index].image), str(error)),))


def collate(samples: Sequence[Sample]) -> dict[str, Any]:
    """A batch of bytes: `hq`, `lq` and `mask` where all samples have them, `name`, `position`.

    `complaints` is there if any file was bad; if a sample could not be had, nothing else is.
    """
    complaints = [complaint for sample in samples for complaint in sample.complaints]
    batch: dict[str, Any] = {"complaints": complaints} if complaints else {}
    photos = [sample.photo for sample in samples if sample.photo is not None]
    if len(photos) < len(samples):
        return batch
    batch["name"] = [photo.name for photo in photos]
    if not any(photo.lq_only for photo in photos):
        batch["hq"] = torch.stack([photo.hq for photo in photos])
    for key in ("mask", "lq"):
        parts = [getattr(photo, key) for photo in photos]
        if all(part is not None for part in parts):
            batch[key] = torch.stack(parts)
    if samples[0].position is not None:
        batch["position"] = [sample.position for sample in samples]
    return batch
