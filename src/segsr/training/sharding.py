"""Fully sharded training: every rank keeps a share of the trained weights (FSDP2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.optim import Optimizer

from segsr.training.blocks import blocks


class FullyShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for FSDP2, over all devices of all nodes and without tensor parallelism.

    A checkpoint is one file, the same as under any other strategy, so a run can go on under another
    or on another number of devices. Runs on CUDA and, to try it, on the CPU.
    """

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Take the size of the job, which is not known before."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        self._tensor_parallel_size = 1
        super().setup_environment()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Gather the optimizer's state on rank zero, keyed by its parameters' places.

        Lightning's own counts the frozen parameters too, which no other strategy does.
        """
        assert self.model is not None
        plain = getattr(optimizer, "optimizer", optimizer)  # Lightning wraps it
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        named = get_optimizer_state_dict(self.model, plain, options=options)
        places = {name: place for place, name in enumerate(self._names(plain))}
        return _rekeyed(named, places) if self.is_global_zero else {}

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, each rank its share of weights and optimizer state."""
        assert self.model is not None
        checkpoint: dict[str, Any] = torch.load(
            checkpoint_path, mmap=True, map_location="cpu", weights_only=True
        )
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(self.model, checkpoint["state_dict"], options=options)
        states = checkpoint.get("optimizer_states", [])
        for optimizer, state in zip(self.optimizers, states, strict=False):
            named = _rekeyed(state, dict(enumerate(self._names(optimizer))))
            set_optimizer_state_dict(self.model, optimizer, named, options=options)
        return checkpoint

    def _names(self, optimizer: Optimizer) -> list[str]:
        """The names of the optimizer's parameters, in its order."""
        assert self.lightning_module is not None
        names = {parameter: name for name, parameter in self.lightning_module.named_parameters()}
        return [names[p] for group in optimizer.param_groups for p in group["params"]]


def _rekeyed(state: dict[str, Any], keys: dict[Any, Any]) -> dict[str, Any]:
    """An optimizer's state with its parameters called otherwise."""
    groups = [
        {**group, "params": [keys[p] for p in group["params"]]} for group in state["param_groups"]
    ]
    return {"state": {keys[p]: v for p, v in state["state"].items()}, "param_groups": groups}


def shard(module: LightningModule, mesh: DeviceMesh) -> None:
    """Shard the trainable parameters of `module` over `mesh`: block by block, then the rest.

    Frozen parameters stay whole on every device: they have neither gradient nor optimizer state,
    in which most of the memory would go, and so nothing of them is ever sent.
    """
    if isinstance(module, FSDPModule):
        return
    frozen = {p for p in module.parameters() if not p.requires_grad}
    for block in blocks(module):
        if any(p.requires_grad for p in block.parameters()):
            fully_shard(block, mesh=mesh, ignored_params=frozen)
    fully_shard(module, mesh=mesh, ignored_params=frozen, reshard_after_forward=True)
    for step in ("training_step", "validation_step", "test_step", "predict_step"):
        register_fsdp_forward_method(module, step)
