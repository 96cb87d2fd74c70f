"""The exponential moving average of the trained weights."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.distributed.tensor import DTensor

from segsr.training.trained import trained_tensors

_CURRENT = "current_model_state"


class EMA(Callback):
    """Averages the trained weights; validation and the finished model use the average.

    Unlike Lightning's `WeightAveraging` it copies no frozen weight, neither in memory nor in the
    checkpoint, and it works where the weights are sharded. As there, a checkpoint's `state_dict`
    is the average, and `current_model_state` what the optimizer goes on with.

    Args:
        decay: Share of the average that a step keeps, in the long run: at step n it is at most
            (1 + n) / (10 + n), so that a short run's average forgets where it began.
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self._steps = 0
        self._resumed: dict[str, Tensor] = {}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what the optimizer goes on with until the model is in place."""
        if trainer.training:
            self._resumed = checkpoint.get(_CURRENT, {})

    @torch.no_grad()
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Part a resumed run's average, which the model was loaded with, from the weights."""
        self.average = _copy(pl_module) if self._resumed else {}
        for name, tensor in trained_tensors(pl_module).items():
            if name in self._resumed:
                tensor.copy_(_as(self._resumed[name], tensor))
        self._resumed = {}
        self._steps = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move the average after every step of the optimizer; it starts after the first."""
        if trainer.global_step == self._steps:  # still accumulating
            return
        self._steps = trainer.global_step
        if not self.average:
            self.average = _copy(pl_module)
            return
        current = _averaged(pl_module)
        averages = [self.average[name] for name in current]
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(averages, [t.detach() for t in current.values()], 1 - decay)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the average."""
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the current weights."""
        self._swap(pl_module)

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the model; after the last checkpoint, which needs both."""
        for name, tensor in _averaged(pl_module).items():
            if name in self.average:
                tensor.copy_(self.average[name])

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the weights, and the current weights beside them."""
        if not self.average:
            return
        average = {name: full_tensor(tensor) for name, tensor in self.average.items()}
        weights = checkpoint["state_dict"]
        trained = trained_tensors(pl_module)
        checkpoint[_CURRENT] = {key: weights[key] for key in weights if key in trained}
        checkpoint["state_dict"] = {key: average.get(key, weights[key]) for key in weights}

    @torch.no_grad()
    def _swap(self, pl_module: LightningModule) -> None:
        for name, tensor in _averaged(pl_module).items():
            if name in self.average:
                current = tensor.detach().clone()
                tensor.copy_(self.average[name])
                self.average[name].copy_(current)


def full_tensor(tensor: Tensor) -> Tensor:
    """`tensor`, gathered if it is sharded; then every rank must call."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _averaged(module: LightningModule) -> dict[str, Tensor]:
    return {n: t for n, t in trained_tensors(module).items() if t.is_floating_point()}


def _copy(module: LightningModule) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in _averaged(module).items()}


def _as(full: Tensor, like: Tensor) -> Tensor:
    """`full` on the device of `like`, sharded as it is."""
    full = full.to(like.device)
    if not isinstance(like, DTensor):
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, like.device_mesh, like.placements)
