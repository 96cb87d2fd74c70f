"""How the networks are run during a fit: what it costs, never what is learned."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.training.blocks import blocks
from segsr.training.components import networks

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class PrepareNetworks(Callback):
    """Trades time for memory, and the reverse, from the start of a fit to its end.

    Args:
        gradient_checkpointing: Recompute every residual and attention block in the backward pass
            instead of keeping its activations.
        low_precision_frozen: Store frozen matrices and convolutions in the type to which autocast
            would cast them anyway at every call: half the memory, the same numbers. Norms and
            biases stay as they are. Without mixed precision nothing is cast.
        channels_last: Keep the weights of convolutions channels-last, the layout of tensor cores
            and of `PixelNorm`; activations follow.
        compile: Compile the trained networks with `torch.compile`; the first steps then take
            minutes.
    """

    def __init__(
        self,
        *,
        gradient_checkpointing: bool = False,
        low_precision_frozen: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        self.gradient_checkpointing = gradient_checkpointing
        self.low_precision_frozen = low_precision_frozen
        self.channels_last = channels_last
        self.compile = compile
        self._exact: list[tuple[nn.Parameter, Tensor]] = []
        self._checkpointed: list[nn.Module] = []
        self._compiled: list[nn.Module] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Prepare the networks before the strategy wraps them."""
        if stage == "fit":
            self.prepare(pl_module, str(trainer.precision))

    def prepare(self, module: nn.Module, precision: str) -> None:
        """Prepare the networks of `module` for training in one of Lightning's precisions."""
        if self.gradient_checkpointing:
            self._checkpointed = list(blocks(module))
            for block in self._checkpointed:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        if self.channels_last:
            module.to(memory_format=torch.channels_last)
        dtype = _AUTOCAST.get(precision)
        if self.low_precision_frozen and dtype is not None:
            for parameter in _castable(module):
                shared = parameter.dtype == dtype  # with a network that was cast before
                if not (parameter.requires_grad or parameter.ndim < 2 or shared):
                    self._exact.append((parameter, parameter.data))
                    parameter.data = parameter.data.to(dtype)
        if self.compile:
            for _, network in networks(module):
                if not any(p.requires_grad for p in network.parameters()):
                    continue
                parts = [network] if _has_forward(network) else list(network.children())
                self._compiled += parts
                for part in parts:
                    part.compile(dynamic=False)  # crops are of one size

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the networks back as they came, so that they are exported in full precision."""
        self._undo()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the networks back as they came."""
        self._undo()

    def _undo(self) -> None:
        for parameter, exact in self._exact:
            parameter.data = exact
        for block in self._checkpointed:
            del block.forward
        for part in self._compiled:
            part._compiled_call_impl = None
        self._exact, self._checkpointed, self._compiled = [], [], []


def _castable(module: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of `module` but for patch autoencoders, which autocast leaves exact."""
    if not isinstance(module, PatchAutoencoder):
        yield from module.parameters(recurse=False)
        for child in module.children():
            yield from _castable(child)


def _has_forward(network: nn.Module) -> bool:
    """False for the bridge, which is called by its parts."""
    return type(network).forward is not nn.Module.forward
