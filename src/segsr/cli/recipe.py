"""The recipe of a verb: its arguments, and what is done with it first."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.statuses import DONE

if TYPE_CHECKING:
    from omegaconf import DictConfig

TASK_OVERRIDES = (
    "trainer.max_steps=20, data=camvid, +new.key=1, ~key; resume with run_dir=FOLDER ckpt_path=last"
)
"""Examples for the verbs that run a task on a trainer."""


def add_recipe(
    parser: argparse.ArgumentParser,
    default: str = "compact",
    *,
    example: str = "joint",
    overrides: str = TASK_OVERRIDES,
) -> None:
    """Arguments for a recipe and what changes it.

    Args:
        parser: That of the verb.
        default: Name of the packaged recipe that is taken without one.
        example: Name of a packaged recipe, for the help.
        overrides: Examples, for the help.
    """
    parser.set_defaults(default_recipe=default)
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"recipe: a YAML file anywhere, or a packaged one such as conf/{example}.yaml "
        f"(default: conf/{default}.yaml)",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved recipe and stop"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help=f"change the recipe, in hydra's grammar: {overrides}",
    )


def with_recipe(
    act: Callable[[argparse.Namespace, DictConfig], int],
) -> Callable[[argparse.Namespace], int]:
    """Make of `act` what takes the arguments alone: it loads their recipe, or only prints it."""

    @wraps(act)
    def run(arguments: argparse.Namespace) -> int:
        from segsr.config import check, load_recipe, resolved_yaml

        cfg = load_recipe(arguments.config or arguments.default_recipe, arguments.overrides)
        if arguments.print_config:
            print(resolved_yaml(cfg), end="")
            return DONE
        check(cfg)
        return act(arguments, cfg)

    return run
