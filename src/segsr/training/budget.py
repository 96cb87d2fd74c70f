"""A stage that ends when its time or its steps are spent, its learning rate following."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from segsr.errors import SegSRError


class Budget(Timer):
    """Ends training after so many minutes, or steps; warms up and lets the rate fall by a cosine.

    With minutes the same recipe fills whatever machine it runs on; with steps it repeats a run. The
    time of an interrupted run counts on (Lightning's `Timer`). The rate is set before every step
    from the share spent, so the recipe has no schedule of its own.

    Args:
        minutes: Time for training, without what comes before and after.
        steps: Steps of the optimizer, instead of minutes.
        warmup: Steps over which the rate rises from 0.
        hold: Share of the budget up to which the rate stays; then it falls.
        floor: Share of the rate that is left at the end.

    Raises:
        SegSRError: Neither or both of minutes and steps are given, or one is not above 0.
    """

    def __init__(
        self,
        *,
        minutes: float | int | None = None,
        steps: int | None = None,
        warmup: int = 200,
        hold: float | int = 0.0,
        floor: float | int = 0.0,
    ) -> None:
        if (minutes is None) == (steps is None):
            raise SegSRError("a budget is minutes or steps: give one of the two")
        if (minutes or steps or 0) <= 0:
            raise SegSRError(f"a budget must be above 0, got {minutes or steps}")
        super().__init__(
            None if minutes is None else timedelta(minutes=minutes), interval="step", verbose=False
        )
        self.minutes = minutes
        self.steps = steps
        self.warmup = warmup
        self.hold = hold
        self.floor = floor

    def spent(self, trainer: Trainer) -> float:
        """Return the share of the budget that is spent, from 0 to 1."""
        if self.steps is not None:
            return min(1.0, trainer.global_step / self.steps)
        return min(1.0, self.time_elapsed() / (60 * float(self.minutes or 1)))

    def factor(self, step: int, spent: float) -> float:
        """Return what the rate is multiplied by at a step with that share `spent`."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        falling = max(0.0, spent - self.hold) / max(1e-9, 1 - self.hold)
        return rise * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * falling)))

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rate of every group of parameters."""
        factor = self.factor(trainer.global_step, self.spent(trainer))
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("initial_lr", group["lr"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop where the budget ends, on all ranks together."""
        if trainer.strategy.broadcast(self.spent(trainer) >= 1):
            trainer.should_stop = True
