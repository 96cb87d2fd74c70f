"""List the models in the package and those of the hub that are cached."""

from __future__ import annotations

import argparse

from segsr.cli.statuses import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(arguments: argparse.Namespace) -> int:
    """A line a model: what `--model` takes, its size, its digest."""
    from segsr.checkpoints.cached import known_models

    for model in known_models():
        where = "packaged" if model.revision is None else "cached"
        print(f"{model.name:<40} {where:<9} {model.size / 1e6:>9,.1f} MB  {model.sha256}")
    return DONE
