"""What a finished stage leaves behind: its networks as a model folder."""

from __future__ import annotations

import copy
from itertools import chain
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from segsr.checkpoints.state_dict import not_finite
from segsr.errors import DivergenceError
from segsr.training.ema import full_tensor


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
        self._unsharded: LightningModule | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the structure of a model that is about to be sharded."""
        if stage == "fit" and pl_module.device_mesh is not None:
            self._unsharded = _without_weights(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, after callbacks that put averaged weights in place at the end of training.

        Raises:
            DivergenceError: A weight is not finite.
        """
        model = pl_module
        if self._unsharded is not None:
            weights = pl_module.state_dict().items()
            whole = {name: full_tensor(tensor).cpu() for name, tensor in weights}
            self._unsharded.load_state_dict(whole, assign=True)
            model = self._unsharded
        if trainer.is_global_zero:
            if broken := not_finite(model.state_dict()):
                raise DivergenceError(
                    f"{self.folder} was left as it is, for the trained weights are not finite,"
                    f" first {broken[0]}: lower model.optimizer.lr and go on with ckpt_path=last"
                )
            assert isinstance(model, Exportable)
            model.save_pretrained(self.folder)
            rank_zero_info(f"weights: {self.folder}")


def _without_weights(module: LightningModule) -> LightningModule:
    """A copy of `module` whose parameters and buffers take no memory."""
    shapes = {
        id(tensor): torch.empty_like(tensor, device="meta")
        for tensor in chain(module.parameters(), module.buffers())
    }
    for parameter in module.parameters():
        shapes[id(parameter)] = torch.nn.Parameter(shapes[id(parameter)], parameter.requires_grad)
    return copy.deepcopy(module, shapes)
