"""Run a model over a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import DONE

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe."""
    add_recipe(parser)


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Predict; the recipe's callbacks write the results."""
    from segsr.cli import run

    run.predict(cfg)
    return DONE
