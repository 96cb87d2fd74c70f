"""Compare methods on test sets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import report_problems
from segsr.errors import SegSRError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from segsr.evaluation.differences import RowDifferences
    from segsr.evaluation.table import Table
    from segsr.metrics.column import Column


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and a recipe."""
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="folder for everything")
    add_recipe(
        parser,
        "table2",
        example="table1",
        overrides="metrics=[psnr,acc], test_sets=realsr root=FOLDER, printed=segsr_table1",
    )


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Run the methods; status 1 if anything failed."""
    if arguments.output is None:
        raise SegSRError("no folder for the results: give -o OUT")
    status = report_problems(_benchmark(cfg, arguments.output))
    print(f"written to {arguments.output}", file=sys.stderr)
    return status


def _benchmark(cfg: DictConfig, output: Path) -> list[str]:
    """Run, write tables, differences, figures and a report, print; return the problems."""
    from segsr.cli.bar import Bar
    from segsr.cli.metrics import choose_metrics
    from segsr.config import build, require, resolved_yaml
    from segsr.evaluation.benchmark import run_methods
    from segsr.evaluation.benchmark_files import differences, illustrate, write_tables
    from segsr.evaluation.cost_table import cost_table
    from segsr.files.atomic import write_text

    require(cfg, "methods", "test_sets", "protocol", "examples", "figures")
    chosen = choose_metrics(cfg)
    columns = chosen.columns()
    write_text(output / "config.yaml", resolved_yaml(cfg))
    with Bar() as bar:
        done = run_methods(
            {str(name): partial(build, node) for name, node in cfg.methods.items()},
            [build(node) for node in cfg.test_sets.values()],
            chosen.metrics,
            chosen.settings,
            output,
            batch_size=cfg.batch_size,
            device=cfg.device,
            trajectories=bool(cfg.figures),
            progress=bar,
        )
    problems = [*chosen.problems, *done.problems]
    if not done.results:
        raise SegSRError("; ".join(problems) or "the recipe has no test set for its methods")
    printed = cfg.get("printed") or {}
    tables = [
        cost_table(name, found, columns, chosen.protocol, printed.get(name, {}))
        for name, found in done.results.items()
    ]
    steps = differences(done.results, columns)
    write_tables(output, tables, steps, columns, problems)
    _print(tables, steps, columns)
    page = illustrate(
        output,
        str(cfg.name),
        tables,
        done.results,
        columns,
        examples=cfg.examples,
        figures=cfg.figures,
    )
    print(f"report: {page}")
    return problems


def _print(
    tables: Sequence[Table],
    steps: Mapping[str, Sequence[RowDifferences]],
    columns: Sequence[Column],
) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from segsr.cli.tables import print_table
    from segsr.evaluation.differences import differences_markdown

    console = Console()
    for table in tables:
        print_table(table, console)
    for name, found in steps.items():
        if found:
            console.print(Markdown(differences_markdown(name, found, columns, intervals=False)))
