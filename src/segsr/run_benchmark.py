"""What `segsr benchmark` does with a recipe: methods x test sets, tables, differences, a report."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.markdown import Markdown

from segsr.config import build, require, resolved_yaml
from segsr.errors import SegSRError
from segsr.evaluation.differences import RowDifferences, between_rows, differences_markdown
from segsr.evaluation.figures.canvas import write_figure
from segsr.evaluation.figures.trajectory import draw_trajectory
from segsr.evaluation.gallery import Section
from segsr.evaluation.illustrate import examples_of, write_figures
from segsr.evaluation.image_set import ImageSet
from segsr.evaluation.methods import SegSR
from segsr.evaluation.pairing import pair_files
from segsr.evaluation.render import latex, markdown, paper_layout, print_table
from segsr.evaluation.report.folder import write_report
from segsr.evaluation.runner import Result, mean_seconds, run_method
from segsr.evaluation.table import Row, Table, Value
from segsr.files.atomic import write_text
from segsr.files.photo import read_photo
from segsr.metrics.column import Column
from segsr.run_evaluation import Chosen, choose_metrics, make_table

SECONDS = Column("seconds", "s/image", False, 2, "seconds")
MEMORY = Column("memory", "GiB", False, 2, "memory")


def benchmark(cfg: DictConfig, output: Path) -> list[str]:
    """Run every method on every test set, write tables and a report, return the problems.

    Below `output`: `<test set>/<method>/` with the results and records, `table.md`, `table.tex`,
    `paper_table.tex`, `differences.md`, `summary.json`, and `report/index.html`.

    Args:
        cfg: Recipe such as conf/table2.yaml.
        output: Folder, new or of an earlier call, which is then gone on with.

    Raises:
        SegSRError: If the recipe is not complete, or nothing of it can be run.
    """
    require(cfg, "methods", "test_sets", "protocol", "examples", "figures")
    chosen = choose_metrics(cfg)
    problems = list(chosen.problems)
    write_text(output / "config.yaml", resolved_yaml(cfg))
    test_sets: list[ImageSet] = [build(node) for node in cfg.test_sets.values()]
    results: dict[str, list[Result]] = {test_set.name: [] for test_set in test_sets}
    for name, node in cfg.methods.items():
        try:
            method = build(node)
        except SegSRError as error:
            problems.append(f"no method {name}: {error}")
            continue
        for test_set in test_sets:
            found = run_method(
                method,
                test_set,
                test_set.folders(output / _folder(test_set.name)),
                chosen.metrics,
                chosen.settings,
                output / _folder(test_set.name) / _folder(str(name)),
                batch_size=cfg.batch_size,
                device=cfg.device,
            )
            if found is not None:
                results[test_set.name].append(found)
                problems.extend(found.evaluation.problems)
                if cfg.figures and isinstance(method, SegSR) and method.options.exchange:
                    _draw_trajectory(method, found, output / "figures" / _folder(test_set.name))
        del method
        gc.collect()  # one model at a time in memory
    results = {name: found for name, found in results.items() if found}
    if not results:
        raise SegSRError("; ".join(problems) or "the recipe has no test set for its methods")
    tables = [_table(chosen, name, found, cfg) for name, found in results.items()]
    steps = {
        name: between_rows({r.label: r.evaluation for r in found}, chosen.columns())
        for name, found in results.items()
    }
    _write(output, tables, steps, problems, chosen)
    _illustrate(output, tables, results, chosen, cfg)
    return problems


def _draw_trajectory(method: SegSR, found: Result, folder: Path) -> None:
    first = pair_files({role: found.folders[role] for role in ("restored", "lq")}).photos[0]
    restoration = method.trajectory(read_photo(first.files["lq"]).image, first.name)
    write_figure(draw_trajectory(restoration), folder / f"{first.name}_trajectory")


def _illustrate(
    output: Path,
    tables: Sequence[Table],
    results: Mapping[str, Sequence[Result]],
    chosen: Chosen,
    cfg: DictConfig,
) -> None:
    """Write the report, and the figures of the first photographs."""
    sections = []
    for table in tables:
        found = results[table.title]
        examples = examples_of(found, chosen.columns(), max(cfg.examples, cfg.figures))
        sections.append(Section(table.title, table, examples[: cfg.examples]))
        folder = output / "figures" / _folder(table.title)
        if cfg.figures:
            write_figures(folder, examples[: cfg.figures], found)
    page = write_report(output / "report", str(cfg.name), sections)
    print(f"report: {page}")


def _table(chosen: Chosen, name: str, results: Sequence[Result], cfg: DictConfig) -> Table:
    """The measured rows with their cost below the printed ones."""
    table = make_table(chosen, {r.label: r.evaluation for r in results}, title=name)
    rows = [
        Row(row.label, {**row.values, **_cost(result)})
        for row, result in zip(table.rows, results, strict=True)
    ]
    printed = [
        Row(str(label), {str(key): Value(float(value)) for key, value in values.items()}, True)
        for label, values in (cfg.get("printed") or {}).get(name, {}).items()
    ]
    costly = [c for c in (SECONDS, MEMORY) if any(c.name in row.values for row in rows)]
    devices = sorted({result.device for result in results if result.device})
    notes = list(table.notes)
    if devices:
        notes.append(
            f"s/image: mean wall time of restoring a photograph, the first one run once untimed; "
            f"GiB: most memory at any moment; on {' and '.join(devices)}."
        )
    if printed:
        notes.append("Rows as printed are the paper's own figures, not measured here.")
    return Table(name, (*table.columns, *costly), (*printed, *rows), tuple(notes))


def _cost(result: Result) -> dict[str, Value]:
    costs = {"seconds": mean_seconds(result), "memory": result.memory}
    return {name: Value(value) for name, value in costs.items() if value is not None}


def _write(
    output: Path,
    tables: Sequence[Table],
    steps: Mapping[str, Sequence[RowDifferences]],
    problems: Sequence[str],
    chosen: Chosen,
) -> None:
    console = Console()
    differences = [
        differences_markdown(name, found, chosen.columns())
        for name, found in steps.items()
        if found
    ]
    write_text(output / "table.md", "\n".join(markdown(table) for table in tables))
    write_text(output / "table.tex", "\n".join(latex(table) for table in tables))
    write_text(output / "paper_table.tex", paper_layout(tables))
    if differences:
        write_text(output / "differences.md", "\n".join(differences))
    summary: dict[str, Any] = {
        "tables": {
            table.title: {
                "notes": table.notes,
                "rows": [asdict(row) for row in table.rows],
            }
            for table in tables
        },
        "differences": {name: [s._asdict() for s in found] for name, found in steps.items()},
        "problems": list(problems),
    }
    write_text(output / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    for table in tables:
        print_table(table, console)
    for name, found in steps.items():
        if found:
            text = differences_markdown(name, found, chosen.columns(), intervals=False)
            console.print(Markdown(text))


def _folder(name: str) -> str:
    """`name` as the name of a folder."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    return kept.strip(".") or "_"
