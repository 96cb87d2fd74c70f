"""A run goes on with the frozen weights that it began with."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from segsr.errors import SegSRError
from segsr.training.components import networks
from segsr.training.trained import all_tensors, frozen_names

_KEY = "frozen_weights_sha256"


class SameFrozenWeights(Callback):
    """Keeps the digests of frozen networks in the checkpoint, whose weights are not.

    A resumed run reads them from where the recipe says; if a stage before was trained anew since
    then, what was learnt upon its old weights would silently go on upon others. Stands before what
    casts them (`PrepareNetworks`).
    """

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Read every frozen weight once."""
        self._digests = frozen_digests(pl_module) if stage == "fit" else {}

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the digests."""
        checkpoint[_KEY] = self._digests

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare them when training goes on.

        Raises:
            SegSRError: A frozen network has other weights.
        """
        before = checkpoint.get(_KEY, {})
        changed = [n for n, digest in self._digests.items() if before.get(n, digest) != digest]
        if changed:
            raise SegSRError(
                f"the frozen weights of {' and '.join(changed)} are not those that this run began"
                " with: put the model folder back that the recipe names (weights, base_model), or"
                " begin a new run without ckpt_path"
            )


def frozen_digests(task: nn.Module) -> dict[str, str]:
    """Return the sha256 of what is frozen in each network of `task`, by the network's name."""
    found = {}
    for name, network in networks(task):
        tensors = all_tensors(network)
        if frozen := sorted(frozen_names(network)):
            digest = hashlib.sha256()
            for key in frozen:
                _add(digest, key, tensors[key])
            found[name] = digest.hexdigest()
    return found


def _add(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    digest.update(values.numpy())
