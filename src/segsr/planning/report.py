"""A plan as a table for the terminal."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

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


def print_plan(plan: Plan) -> None:
    """Prints what each device needs, in GiB."""
    table = Table("memory of each device", "GiB", "")
    table.columns[1].justify = "right"
    for name, size in asdict(plan).items():
        if size:
            table.add_row(name, f"{size / GIB:.2f}", _WHAT[name])
    table.add_section()
    table.add_row(
        "sum", f"{plan.total / GIB:.2f}", "without the driver's context and fragmentation"
    )
    Console().print(table)
