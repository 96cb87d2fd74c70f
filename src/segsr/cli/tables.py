"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from segsr.evaluation.table import Table
    from segsr.planning.plan import Plan

GIB = 2**30
_WHAT = {
    "parameters": "weights and buffers of all networks",
    "average": "moving average of the trained weights",
    "gradients": "of the trained weights",
    "optimizer": "its state",
    "buckets": "DDP's copies of the gradients",
    "activations": "at the peak of a step",
}
"""The parts of a plan."""


def print_metrics(metrics: Mapping[str, float]) -> None:
    """Print what a test found, by name."""
    table = RichTable("metric", "value")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)


def print_plan(plan: Plan) -> None:
    """Print what each device needs, in GiB."""
    table = RichTable("memory of each device", "GiB", "")
    table.columns[1].justify = "right"
    for name, size in asdict(plan).items():
        if size:
            table.add_row(name, f"{size / GIB:.2f}", _WHAT[name])
    table.add_section()
    table.add_row(
        "sum", f"{plan.total / GIB:.2f}", "without the driver's context and fragmentation"
    )
    Console().print(table)


def print_shares(shares: Mapping[str, float]) -> None:
    """Print each class's share of the labelled pixels."""
    table = RichTable("class", "share of the pixels")
    for name, share in shares.items():
        table.add_row(name, f"{share:.2%}")
    Console().print(table)


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table of methods, its notes below."""
    from segsr.evaluation.render import terminal

    console = console or Console()
    console.print(terminal(table, console.width))
    for note in table.notes:
        console.print(note, style="dim", highlight=False, soft_wrap=True, markup=False)
