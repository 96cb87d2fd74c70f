"""Train a model."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import DONE
from segsr.ranks import is_rank_zero

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe, or what it would need."""
    add_recipe(parser)
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print the memory each device would need, without loading any weights, and stop",
    )


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Train; say how to go on after Ctrl-C."""
    if arguments.plan:
        return _plan(cfg)
    from segsr.cli import run

    try:
        run.fit(cfg)
    except KeyboardInterrupt:
        _print_resume_command(cfg)
        raise
    return DONE


def _plan(cfg: DictConfig) -> int:
    from segsr.cli.tables import print_plan
    from segsr.config import require
    from segsr.planning.plan import plan_fit

    require(cfg, "model", "data", "trainer", complete=False)
    print_plan(plan_fit(cfg))
    return DONE


def _print_resume_command(cfg: DictConfig) -> None:
    from segsr.cli.run_folder import newest_checkpoint

    if not (is_rank_zero() and cfg.get("run_dir")):
        return
    folder = Path(cfg.run_dir)
    if newest_checkpoint(folder) is None:
        print(f"segsr: stopped before the first checkpoint of {folder}", file=sys.stderr)
        return
    command = ["segsr", "fit", "-c", f"{folder / 'config.yaml'}"]
    command += [f"run_dir={folder}", "ckpt_path=last"]
    print(f"segsr: stopped, resume with: {shlex.join(command)}", file=sys.stderr)
