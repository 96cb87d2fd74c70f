"""When a run saves: every so many steps, and when it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from segsr.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0
"""Seconds within which a second Ctrl-C is the first one again, passed on by a launcher."""


class Checkpoints(ModelCheckpoint):
    """Saves after every `every_n_train_steps` steps and, on Ctrl-C or SIGTERM, after the current.

    A signal may come amid a step, and to one rank only. So it is only noted; once all ranks are
    through the step and a rank has noted one, they save together and stop; one that comes during
    validation waits for the step after it. A second Ctrl-C stops at once, without saving.

    Nothing is ever saved while gradients are being accumulated, since they are in no checkpoint.

    Args:
        **options: See `lightning.pytorch.callbacks.ModelCheckpoint`.
    """

    def __init__(self, **options: Any) -> None:
        # Files are named by their step: a resumed run that comes by again replaces them
        super().__init__(**{"save_on_exception": True, "enable_version_counter": False, **options})
        self._signal = 0
        self._signalled_at = 0.0
        self._steps = 0
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen, in place of Lightning, whose ranks may stop at different steps."""
        super().on_train_start(trainer, pl_module)
        self._signal, self._steps = 0, trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; stop if any rank was told to.

        Raises:
            Interrupted: On every rank, after which `on_exception` saves.
        """
        if trainer.global_step == self._steps:  # still accumulating
            return
        self._steps = trainer.global_step
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if told := self._agreed(trainer):
            raise Interrupted(told)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen no more."""
        self._stop_listening()
        super().on_train_end(trainer, pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save if the ranks agreed to stop here; any other exception may come amid a step."""
        if isinstance(exception, Interrupted):
            super().on_exception(trainer, pl_module, exception)
        self._stop_listening()

    def _agreed(self, trainer: Trainer) -> int:
        """The highest signal that any rank has noted; alone, without waiting for the device."""
        if trainer.world_size == 1:
            return self._signal
        noted = torch.tensor(self._signal, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(noted, reduce_op="max"))

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signal:
            self._signal, self._signalled_at = number, now
        elif number == signal.SIGINT and now - self._signalled_at > PATIENCE:
            raise KeyboardInterrupt

    def _stop_listening(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
