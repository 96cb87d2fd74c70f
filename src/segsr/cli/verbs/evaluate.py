"""Measure a folder of results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import report_problems
from segsr.errors import SegSRError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from segsr.cli.metrics import Chosen
    from segsr.evaluation.evaluate import Evaluation
    from segsr.evaluation.table import Table

OPTIONS = {"restored": "--sr", "hq": "--hq", "lq": "--lq", "mask": "--masks", "label": "--labels"}
"""The option that gives the folder of a role."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Folders by role, where to, and a recipe."""
    add = parser.add_argument
    add("--sr", type=Path, metavar="DIR", help="folder of restored photographs, any method's")
    add("--hq", type=Path, metavar="DIR", help="folder of the true photographs")
    add("--lq", type=Path, metavar="DIR", help="folder of what was restored, for the record")
    add("--masks", type=Path, metavar="DIR", help="folder of a method's masks")
    add("--labels", type=Path, metavar="DIR", help="folder of the true masks")
    add("-o", "--output", type=Path, metavar="OUT", help="folder for records and tables")
    add("--name", metavar="NAME", help="the method's name in tables (default: its folder's)")
    add_recipe(
        parser,
        "evaluate",
        example="evaluate",
        overrides="metrics=[psnr,ssim,lpips], metrics=all, protocol=osediff, weights.pyiqa=FOLDER",
    )


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Measure; status 1 if anything could not be measured."""
    given = {role: vars(arguments)[option[2:]] for role, option in OPTIONS.items()}
    folders = {role: folder for role, folder in given.items() if folder is not None}
    if not {"restored", "mask"} & set(folders):
        raise SegSRError("nothing to evaluate: give --sr FOLDER, or --masks FOLDER with --labels")
    if arguments.output is None:
        raise SegSRError("no folder for the figures: give -o OUT")
    label = arguments.name or (arguments.sr or arguments.masks).resolve().name
    problems = _evaluate(cfg, folders, arguments.output, label)
    status = report_problems(problems)
    print(f"written to {arguments.output}", file=sys.stderr)
    return status


def _evaluate(cfg: DictConfig, folders: Mapping[str, Path], output: Path, label: str) -> list[str]:
    """Measure, write `records.jsonl`, `summary.json` and tables, print; return the problems."""
    from segsr.cli.bar import Bar
    from segsr.cli.metrics import choose_metrics
    from segsr.cli.tables import print_table
    from segsr.config import build, resolved_yaml
    from segsr.evaluation.evaluate import evaluate_folders
    from segsr.evaluation.make_table import make_table
    from segsr.evaluation.render import latex, markdown
    from segsr.files.atomic import write_text

    chosen = choose_metrics(cfg)
    chosen.problems.extend(_drop_without_inputs(chosen, folders))
    if not chosen.metrics:
        raise SegSRError("; ".join(chosen.problems))
    with Bar() as bar:
        evaluation = evaluate_folders(
            folders,
            chosen.metrics,
            chosen.settings,
            output,
            batch_size=cfg.batch_size,
            device=cfg.device,
            label_map=build(cfg.label_map),
            progress=bar,
        )
    problems = [*chosen.problems, *evaluation.problems]
    title = chosen.protocol.test_sets.get(evaluation.digests.get("hq", ""), "Evaluation")
    table = make_table({label: evaluation}, chosen.columns(), chosen.protocol, title=title)
    summary = _summary(table, label, evaluation, problems)
    write_text(output / "config.yaml", resolved_yaml(cfg))
    write_text(output / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    write_text(output / "table.md", markdown(table))
    write_text(output / "table.tex", latex(table))
    print_table(table)
    return problems


def _drop_without_inputs(chosen: Chosen, folders: Collection[str]) -> list[str]:
    """Remove the metrics that look at a role that is not there; return a sentence for each."""
    problems = []
    for name, metric in list(chosen.metrics.items()):
        lacking = [role for role in metric.inputs if role not in folders]
        if lacking:
            options = " and ".join(f"{OPTIONS[role]} FOLDER" for role in lacking)
            problems.append(f"no {name}: it needs {options}")
            del chosen.metrics[name]
    return problems


def _summary(
    table: Table, label: str, evaluation: Evaluation, problems: list[str]
) -> dict[str, object]:
    """A table's figures, its notes and the problems, as JSON takes them."""
    from dataclasses import asdict

    return {
        "title": table.title,
        "notes": table.notes,
        "test_set_sha256": {label: evaluation.digests},
        "images": {label: list(evaluation.records)},
        "figures": {
            row.label: {name: asdict(value) for name, value in row.values.items()}
            for row in table.rows
        },
        "problems": problems,
    }
