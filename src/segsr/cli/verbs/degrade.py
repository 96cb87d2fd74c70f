"""Make pairs of a folder of photographs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.argument_types import positive
from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import done_or_failed

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to degrade, where to, and a recipe."""
    add = parser.add_argument
    add("photos", type=Path, metavar="HQ_FOLDER", help="folder of photographs")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the pairs")
    add("--workers", type=positive, default=1, metavar="N", help="processes, one core each")
    add_recipe(
        parser,
        "degrade",
        example="paper_testset",
        overrides="seed=1, degradation=mild, pairs.crop=512",
    )


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Make the pairs; status 1 if any photograph failed."""
    from segsr.cli.bar import Bar
    from segsr.config import build, require, resolved_yaml
    from segsr.data.degrade_folder import degrade_folder
    from segsr.files.find import find_images

    require(cfg, "pairs")
    with Bar() as bar:
        summary = degrade_folder(
            find_images(arguments.photos),
            arguments.output,
            build(cfg.pairs),
            recipe=resolved_yaml(cfg),
            workers=arguments.workers,
            progress=bar,
        )
    print(
        f"{len(summary.made)} pairs made, {len(summary.kept)} kept (exist already), "
        f"{len(summary.errors)} failed; pairs in {arguments.output}",
        file=sys.stderr,
    )
    return done_or_failed(summary.errors)
