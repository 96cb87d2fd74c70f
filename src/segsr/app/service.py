"""What a server does for a visitor, whichever way the visitor asks: page or HTTP."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from torch import Tensor

from segsr import __version__
from segsr.app.intake import painted, plain_name, read_mask_upload, read_upload
from segsr.app.labels import Labels
from segsr.app.limits import Limits
from segsr.app.restorer import Restorer, Result
from segsr.app.settings import Settings
from segsr.app.turns import Turn, Turns
from segsr.app.visitors import Visit, Visitors
from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.files.mask import write_mask
from segsr.files.photo import Photo, write_photo
from segsr.samples import samples_folder

_READERS = 2  # uploads that are decoded at once: their pixels are in memory
SAMPLE_SIDE = 128
"""Sides that the samples are shrunk to, so that there is something to restore."""


class Service:
    """A model, its line, and the visitors' files.

    Args:
        restorer: The model.
        visitors: Where their files are.
        limits: What they may ask for.
    """

    def __init__(self, restorer: Restorer, visitors: Visitors, limits: Limits) -> None:
        self.restorer = restorer
        self.visitors = visitors
        self.limits = limits
        self.turns = Turns(limits.queue)
        self.labels = Labels()
        self._reading = threading.Semaphore(_READERS)
        self._began = time.monotonic()

    def accept(self, visitor: str, name: str | None, write: Callable[[Path], object]) -> Visit:
        """Return a new visit with a photograph.

        Args:
            visitor: Its key.
            name: What the visitor calls the file.
            write: Writes its content to a path.

        Raises:
            SegSRError: If it is no photograph that is taken; then no file is left.
        """
        visit = self.visitors.begin(visitor)
        try:
            write(visit.source)
            visit.name = plain_name(name)
            before = visit.folder / "before.png"  # a TIFF is nothing that browsers show
            with self._reading:
                photo = read_upload(visit.source, visit.name, self.limits)
                shown = replace(photo, bits=8, exif=None, xmp=None, iptc=None)
                write_photo(before, photo.image, shown)
            visit.size = (photo.image.shape[-2], photo.image.shape[-1])
            visit.before = visit.keep(before, f"{Path(visit.name).stem}.png")
        except BaseException:
            self.visitors.end(visit)
            raise
        return visit

    def accept_sample(self, visitor: str, name: str) -> Visit:
        """Return a new visit with one of the packaged photographs, shrunk.

        Raises:
            SegSRError: If there is none of that name.
        """
        if name not in sample_names():
            raise SegSRError(f"no sample of that name: choose from {', '.join(sample_names())}")
        return self.accept(
            visitor, f"{name}.png", lambda path: write_atomic(path, small_sample(name))
        )

    def restore(self, visit: Visit, settings: Settings, values: bytes | None = None) -> Turn:
        """Return the turn in which the visit's photograph is restored, to a `Result`.

        Args:
            visit: Of the photograph.
            settings: What was chosen.
            values: What was painted, a byte a pixel; None or all 255 leave all to the model.

        Raises:
            SegSRError: If what was painted or chosen does not fit, or the line is full.
        """
        height, width = visit.size
        held = None
        if values is not None:
            held = painted(values, height, width, len(self.restorer.classes))
            held = None if bool((held == IGNORE_INDEX).all()) else held
        self.check(settings)
        total = self.restorer.steps_of(settings)

        def work(turn: Turn) -> Result:
            began = time.monotonic()
            result = self.restorer.restore_visit(visit, settings, turn, held)
            result.seconds = time.monotonic() - began
            return result

        return self.turns.submit(work, height * width * total, total)

    def label(self, visit: Visit) -> Turn:
        """Return the turn in which the visit's photograph is labelled, to a `Labelled`.

        Raises:
            SegSRError: If the line is full.
        """
        height, width = visit.size
        return self.turns.submit(lambda turn: self.labels.label_visit(visit), height * width)

    def restore_once(
        self,
        folder: Path,
        photo: tuple[str, Path],
        mask: tuple[str, Path] | None,
        settings: Settings,
        *,
        answer_mask: bool = False,
    ) -> Turn:
        """Return the turn in which a photograph is restored, to the bytes of a PNG.

        Args:
            folder: For files on the way; it is the caller's to delete.
            photo: What it is called, and where it lies.
            mask: The same of a mask to hold, if any.
            settings: What was chosen.
            answer_mask: Return the mask's file instead of the picture's.

        Raises:
            SegSRError: If a file or a value does not fit, or the line is full.
        """
        self.turns.check_room()
        self.check(settings)
        name = plain_name(photo[0])

        def read() -> tuple[Photo, Tensor | None]:
            picture = read_upload(photo[1], name, self.limits)
            if mask is None:
                return picture, None
            return picture, read_mask_upload(mask[1], plain_name(mask[0]), self.limits)

        with self._reading:
            height, width = read()[0].image.shape[-2:]
        total = self.restorer.steps_of(settings)

        def work(turn: Turn) -> bytes:
            picture, held = read()  # again, for those that wait would fill the memory
            done = self.restorer.restore(picture, name, settings, turn, held)
            result = folder / "result.png"
            if answer_mask:
                write_mask(result, done.mask.cpu())
            else:
                write_photo(result, done.image.cpu(), picture)
            return result.read_bytes()

        return self.turns.submit(work, height * width * total, total)

    def check(self, settings: Settings) -> None:
        """Check what was chosen before it waits for its turn.

        Raises:
            SegSRError: If the model or the server does not do it.
        """
        if (steps := settings.options.steps) is not None and steps > self.limits.steps:
            raise SegSRError(f"steps is {steps}, but {self.limits.steps} at most are taken here.")
        if not 1 <= settings.scale <= self.limits.scale:
            raise SegSRError(
                f"scale is {settings.scale:g}, but from 1 to {self.limits.scale} is taken here."
            )
        self.restorer.pipeline.model.image.check(settings.options)

    def health(self) -> dict[str, Any]:
        """Return how the server is, for operators: numbers and names, no paths."""
        turns = self.turns
        return {
            "status": "ok",
            "version": __version__,
            "model": self.restorer.model,
            "device": self.restorer.pipeline.model.device.type,
            "seconds_up": round(time.monotonic() - self._began, 1),
            "queue": {
                "running": int(turns.running),
                "waiting": turns.waiting,
                "length": turns.length,
            },
            "restorations": {"finished": turns.finished, "failed": turns.failed},
            "visitors": len(self.visitors),
            "bytes": {"files": self.visitors.bytes(), "memory": psutil.Process().memory_info().rss},
        }


def sample_names() -> list[str]:
    """Return the names of the packaged photographs."""
    return sorted(path.stem for path in (samples_folder() / "images").glob("*.jpg"))


def small_sample(name: str) -> bytes:
    """Return a packaged photograph, shrunk, as a PNG."""
    with Image.open(samples_folder() / "images" / f"{name}.jpg") as image:
        small = image.resize((SAMPLE_SIDE, SAMPLE_SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()
