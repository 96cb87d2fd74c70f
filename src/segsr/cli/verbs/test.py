"""Print a table of a model's metrics."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import DONE
from segsr.ranks import is_rank_zero

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe."""
    add_recipe(parser)


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Test; print the metrics once."""
    from segsr.cli import run

    metrics = run.test(cfg)
    if is_rank_zero():
        from segsr.cli.tables import print_metrics

        print_metrics(metrics)
    return DONE
