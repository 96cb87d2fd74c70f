"""Parts of recipes that break a training."""

import torch
from lightning import Callback


class PoisonPhotos(Callback):
    """Makes the photographs of the batches `batches` NaN, on rank `rank` alone."""

    def __init__(self, batches: list[int], rank: int = 0) -> None:
        self.batches, self.rank = batches, rank

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_rank == self.rank and trainer.global_step in self.batches:
            batch["lq"].fill_(torch.nan)


class PoisonGradient(Callback):
    """Makes one gradient of the first step infinite."""

    def on_after_backward(self, trainer, pl_module) -> None:
        next(p for p in pl_module.parameters() if p.grad is not None).grad.fill_(torch.inf)


class PoisonWeights(Callback):
    """Makes a weight NaN once step `step` is done."""

    def __init__(self, step: int) -> None:
        self.step = step

    @torch.no_grad()
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            next(p for p in pl_module.parameters() if p.requires_grad).fill_(torch.nan)
