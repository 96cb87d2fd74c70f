"""Labelers without weights, for tests of what is done with any labeler."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.labeling.base import Labeler


class ByBatch(Labeler):
    """Its labels tell of the batch: the class of a photograph is its place plus the batch's size.

    A network's rounding depends on the batch too, but rarely shows; here it always does.

    Args:
        seconds: How long a batch takes.
        classes: Names of the classes.
        pids: Folder for a file that is named by the process.
        die: Width of photographs that kill the process.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        classes: list[str] | tuple[str, ...] = CLASSES,
        pids: str | None = None,
        die: int = 0,
    ):
        super().__init__(classes)
        if pids is not None:
            (Path(pids) / str(os.getpid())).touch()
        self.seconds = seconds
        self.die = die

    def scores(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        if images.shape[-1] == self.die:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        scores = torch.zeros(len(images), len(self.classes), *size)
        for i in range(len(images)):
            scores[i, (10 * len(images) + i) % len(self.classes)] = 0.5
        return scores


class Refusing(Labeler):
    """Cannot be had, or labels nothing.

    Args:
        at_once: Whether it cannot even be made.
    """

    def __init__(self, at_once: bool, classes: list[str] | tuple[str, ...] = CLASSES) -> None:
        super().__init__(classes)
        if at_once:
            raise SegSRError("no weights: fetch them")

    def scores(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        raise RuntimeError("no closing tag [/bold] in [1, 3]")


class ByColour(Labeler):
    """Red, green and blue are classes 0 to 2, their scores the channels.

    Args:
        refuse: Photographs of this width raise an error.
    """

    def __init__(self, refuse: int = 0) -> None:
        super().__init__(("red", "green", "blue"))
        self.refuse = refuse

    def scores(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        if images.shape[-1] == self.refuse:
            raise RuntimeError("no such\nwidth")
        return nn.functional.interpolate(images, size, mode="bilinear")
