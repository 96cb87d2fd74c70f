"""What a finished stage leaves behind: its networks as a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only


@runtime_checkable
class Exportable(Protocol):
    """A task that can be written as (part of) a model folder."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the task's components and settings into `folder`."""


class ExportWeights(Callback):
    """Writes the task's networks into `folder` when training ends, averaged if EMA is on.

    Args:
        folder: The model folder; components of other stages in it are kept.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @rank_zero_only
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, after callbacks that put averaged weights in place at the end of training."""
        assert isinstance(pl_module, Exportable)
        pl_module.save_pretrained(self.folder)
        rank_zero_info(f"weights: {self.folder}")
