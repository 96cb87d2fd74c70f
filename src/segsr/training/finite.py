"""A training that diverges stops, before it loses what it had learnt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from segsr.checkpoints.state_dict import not_finite
from segsr.errors import DivergenceError
from segsr.training.ema import full_tensor
from segsr.training.trained import trained_tensors

_MOST_SAMPLES = 8
_REMEDY = "lower model.optimizer.lr, or look at these samples, and go on with ckpt_path=last"


class _Batch(NamedTuple):
    """What a batch is remembered by until its step: its samples, its loss and the loss's terms."""

    samples: list[str]
    loss: Tensor
    terms: dict[str, Tensor]


class _Complaint(NamedTuple):
    what: str
    samples: list[str]


class StopIfDiverged(Callback):
    """Looks at loss and gradients before every step of the optimizer, and at what is to be saved.

    A step that would be taken with a NaN or an infinity is not taken: the run stops, on all ranks
    together, or goes on without it. So the newest checkpoint stays a finite one. What a step costs
    is one norm of the gradients and waiting for it once. Under `16-mixed` infinite gradients are
    how the scale of the loss is found, and are left to it.

    Args:
        skip: Steps in a row that may be left out before the run stops. A step left out counts as
            one, and changes neither weights nor the optimizer's state.
    """

    def __init__(self, skip: int = 0) -> None:
        self.skip = skip
        self._skipped = 0
        self._batches: list[_Batch] = []
        self._samples: list[str] = []
        self._buffers: dict[str, Tensor] = {}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the samples, and the running statistics as they were before them."""
        names = batch.get("name", ()) if isinstance(batch, Mapping) else ()
        self._samples = [str(name) for name in names]
        if self.skip and not self._batches:
            self._buffers = {n: b.clone() for n, b in _running(pl_module).items()}

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Remember the loss, where it is."""
        terms = dict(getattr(pl_module, "losses", {}))
        self._batches.append(_Batch(self._samples, loss.detach(), terms))

    @torch.no_grad()
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Stop, or leave the step out, if a loss or a gradient is not finite on any rank.

        Raises:
            DivergenceError: On all ranks.
        """
        batches, self._batches = self._batches, []
        gradients = {}
        if str(trainer.precision) != "16-mixed":
            parameters = pl_module.named_parameters()
            gradients = {name: p.grad for name, p in parameters if p.grad is not None}
        total = full_tensor(get_total_norm(gradients.values())) if gradients else torch.zeros(())
        bad = ~(sum((batch.loss for batch in batches), total.to(pl_module.device))).isfinite()
        if trainer.world_size > 1:
            bad = trainer.strategy.reduce(bad.int(), reduce_op="max")
        if not bad:
            self._skipped = 0
            return
        found = _gathered(_complaints(batches, gradients))
        if not found:  # finite numbers whose norm is not
            self._skipped = 0
            return
        sentence = _sentence(trainer.global_step + 1, optimizer, batches, found)
        if self._skipped >= self.skip:
            raise DivergenceError(f"training stopped at {sentence}: {_REMEDY}")
        self._skipped += 1
        for name, buffer in _running(pl_module).items():
            buffer.copy_(self._buffers[name])
        optimizer.zero_grad()
        rank_zero_info(f"left out {sentence}; {self._skipped} of at most {self.skip} in a row")

    @torch.no_grad()
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep weights that are not finite from becoming the newest checkpoint.

        Raises:
            DivergenceError: On all ranks, before anything is written.
        """
        trained = {n: t for n, t in trained_tensors(pl_module).items() if t.is_floating_point()}
        if found := _not_finite(trained):
            raise DivergenceError(
                f"training stopped after step {trainer.global_step}, whose weights are not finite,"
                f" first {found[0]}; they were not saved: lower model.optimizer.lr and go on with"
                " ckpt_path=last"
            )


def _running(module: LightningModule) -> dict[str, Tensor]:
    """The buffers that move in training, as the statistics of a BatchNorm do."""
    parameters = {name for name, _ in module.named_parameters()}
    return {n: t for n, t in trained_tensors(module).items() if n not in parameters}


def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that hold a NaN or an infinity; as a rule one norm tells."""
    if not tensors or full_tensor(get_total_norm(tensors.values())).isfinite():
        return []
    return not_finite({name: full_tensor(tensor) for name, tensor in tensors.items()})


def _complaints(batches: Iterable[_Batch], gradients: Mapping[str, Tensor]) -> list[_Complaint]:
    """What is not finite of this rank's step: losses, or else the first gradient."""
    found = []
    for batch in batches:
        if batch.loss.isfinite():
            continue
        terms = {**batch.terms, "loss": batch.loss}
        name = next((n for n, term in terms.items() if not term.isfinite()), "loss")
        found.append(_Complaint(f"{name} is {float(terms[name])}", batch.samples))
    local = {n: g.to_local() if isinstance(g, DTensor) else g for n, g in gradients.items()}
    names = [] if found else not_finite(local)
    samples = [name for batch in batches for name in batch.samples]
    return found or [_Complaint(f"the gradient of {name} is not finite", samples) for name in names]


def _gathered(complaints: list[_Complaint]) -> list[_Complaint]:
    """Those of all ranks, losses first, for a NaN of one rank is in the gradients of all."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return complaints
    everyones: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyones, complaints)
    found = [_Complaint(*each) for complaints in everyones for each in complaints]
    return sorted(found, key=lambda complaint: complaint.what.startswith("the gradient"))


def _sentence(
    step: int, optimizer: Optimizer, batches: list[_Batch], found: list[_Complaint]
) -> str:
    """`step 3, where image_loss is nan, at a learning rate of 1e+09, with the samples a, b`."""
    what = found[0].what
    samples = sorted({name for each in found if each.what == what for name in each.samples})
    rates = sorted({f"{group['lr']:.3g}" for group in optimizer.param_groups})
    more = f" and {len(samples) - _MOST_SAMPLES} more" if len(samples) > _MOST_SAMPLES else ""
    seen = f", with the samples {', '.join(samples[:_MOST_SAMPLES])}{more}" if samples else ""
    return f"step {step}, where {what}, at a learning rate of {' and '.join(rates)}{seen}"
