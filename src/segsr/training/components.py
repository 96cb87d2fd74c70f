"""The table a fit starts with: which networks there are and which of them are trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table
from torch import nn

from segsr.model.image_branch import ImageBranch
from segsr.model.joint import JointModel
from segsr.model.mask_branch import MaskBranch

_HOLDERS = (LightningModule, JointModel, ImageBranch, MaskBranch)


class Component(NamedTuple):
    """One network of a task: its parameters, those that are trained, and how they are stored."""

    name: str
    parameters: int
    trainable: int
    dtype: str


def networks(task: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the networks of `task` by name, those within the tasks and models that it holds too.

    One that several of them hold has the first one's name.
    """
    seen = set()
    for name, child in _named(task, ""):
        if child not in seen:
            seen.add(child)
            yield name, child


def _named(holder: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, child in holder.named_children():
        if isinstance(child, _HOLDERS):
            yield from _named(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def components(task: nn.Module) -> Iterator[Component]:
    """Yield what there is to say of every network of `task`.

    Weights that several networks share count for the first one.
    """
    seen = set()
    for name, network in networks(task):
        if parameters := [p for p in network.parameters() if p not in seen]:
            seen.update(parameters)
            dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in parameters})
            yield Component(
                name,
                sum(p.numel() for p in parameters),
                sum(p.numel() for p in parameters if p.requires_grad),
                " + ".join(dtypes),
            )


class ComponentTable(Callback):
    """Prints the networks of a task when a fit starts."""

    @rank_zero_only
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table, once every network is as it will be trained."""
        table = Table("component")
        for column in ("parameters", "trainable"):
            table.add_column(column, justify="right")
        table.add_column("dtype")
        rows = list(components(pl_module))
        for row in rows:
            table.add_row(row.name, f"{row.parameters:,}", f"{row.trainable:,}", row.dtype)
        table.add_section()
        totals = (sum(row.parameters for row in rows), sum(row.trainable for row in rows))
        table.add_row("all", *(f"{total:,}" for total in totals), "")
        Console().print(table)
