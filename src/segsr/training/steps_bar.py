"""How far a fit is: the step, of how many, and the losses by short names."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from segsr.progress import SILENT, Progress
from segsr.training.budget import Budget


@runtime_checkable
class EndingProgress(Progress, Protocol):
    """A progress whose last piece of work can end before the process does."""

    def end(self) -> None:
        """The work is done."""
        ...


class StepsBar(ProgressBar):
    """Tells a `Progress` of every step of the optimizer; an epoch means nothing to endless data.

    Args:
        progress: Hears of it on rank zero.
    """

    def __init__(self, progress: EndingProgress) -> None:
        super().__init__()
        self._progress = progress
        self._shown: Progress = progress
        self._described = "fit"

    def enable(self) -> None:
        """Tell."""
        self._shown = self._progress

    def disable(self) -> None:
        """Tell nobody."""
        self._shown = SILENT

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, where a run goes on at its step."""
        self._shown.start("fit", trainer.max_steps if trainer.max_steps > 0 else None)
        self._shown.reach(trainer.global_step, "fit")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the step, and the losses as often as they are logged."""
        every: int = getattr(trainer, "log_every_n_steps", 1)
        if trainer.global_step % every == 0 or trainer.should_stop:
            losses = trainer.progress_bar_metrics.items()
            named = (f"{short_name(name)} {float(value):.3g}" for name, value in losses)
            self._described = "  ".join(["fit", *named])
        self._shown.reach(trainer.global_step, self._described, expected_steps(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End, before others tell what they wrote."""
        self._progress.end()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End, before the error is told."""
        self._progress.end()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what takes so long."""
        self._shown.reach(trainer.global_step, "validation")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Back to training."""
        self._shown.reach(trainer.global_step, self._described)


def expected_steps(trainer: Trainer) -> int | None:
    """Return after how many steps a budget of minutes will be spent, at the pace so far."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # its connector sets it
    budgets = (x for x in callbacks if isinstance(x, Budget) and x.minutes is not None)
    shares = [budget.spent(trainer) for budget in budgets]
    if trainer.max_steps > 0 or not shares or not shares[0]:
        return None
    return max(trainer.global_step, round(trainer.global_step / shares[0]))


def short_name(metric: str) -> str:
    """Return the name of a logged loss without what all of them have: `mask` for its entropy."""
    name = metric.rpartition("/")[2]
    for ending in ("_loss", "_cross_entropy"):
        name = name.removesuffix(ending)
    return name
