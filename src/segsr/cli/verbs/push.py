"""Put a model folder on the hub, with a card of what it is and what was measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from segsr.cli.statuses import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, where to, and what only its maker knows."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the model folder")
    add("name", metavar="OWNER/NAME", help="what it is called on the hub")
    add("--licence", metavar="ID", help="of the weights, as the hub names it: cc-by-nc-4.0, other")
    add("--data", metavar="TEXT", help="what it was trained on, and whose that is")
    add("--limits", default="", metavar="TEXT", help="what it cannot do")
    add(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="of segsr test, evaluate or benchmark: their table.md goes into the card",
    )
    add("--card", type=Path, metavar="FILE", help="a card of your own instead")
    add("--revision", metavar="BRANCH", help="the branch to write to (default: main)")
    add("--private", action="store_true", help="if the repository is made")
    add("--dry-run", action="store_true", help="print the card and the files, send nothing")


def run(arguments: argparse.Namespace) -> int:
    """Push; print where it is and its digest."""
    from segsr.checkpoints.card import Statement, measured, model_card
    from segsr.checkpoints.folder import load_settings
    from segsr.checkpoints.hub import model_files, push, split_id
    from segsr.errors import SegSRError

    if split_id(arguments.name) != (arguments.name, None):
        raise SegSRError(f"{arguments.name!r} is no name on a hub: give owner/name.")
    load_settings(arguments.folder)
    if arguments.card is not None:
        card = _read(arguments.card)
    elif arguments.licence and arguments.data:
        statement = Statement(arguments.licence, arguments.data, arguments.limits)
        card = model_card(arguments.folder, arguments.name, statement, measured(arguments.results))
    else:
        raise SegSRError(
            "whoever takes a model must know its terms: give --licence ID and --data TEXT, or a"
            " card of your own with --card FILE."
        )
    if arguments.dry_run:
        print(card)
        for path in model_files(arguments.folder):
            print(f"{path.stat().st_size:>13,}  {path.relative_to(arguments.folder)}")
        return DONE
    pushed = push(
        arguments.folder,
        arguments.name,
        card,
        revision=arguments.revision,
        private=arguments.private,
    )
    print(f"{pushed.url}\nrevision {pushed.revision}\nsha256   {pushed.sha256}")
    return DONE


def _read(path: Path) -> str:
    from segsr.errors import SegSRError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SegSRError(f"no card {path}: give a Markdown file.") from error
