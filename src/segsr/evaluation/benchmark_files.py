"""What a benchmark leaves: tables, differences between rows, figures and a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from segsr.evaluation.benchmark import folder_name
from segsr.evaluation.differences import RowDifferences, between_rows, differences_markdown
from segsr.evaluation.gallery import Section
from segsr.evaluation.illustrate import examples_of, write_figures
from segsr.evaluation.render import latex, markdown, paper_layout
from segsr.evaluation.report.folder import write_report
from segsr.evaluation.runner import Result
from segsr.evaluation.table import Table
from segsr.files.atomic import write_text
from segsr.metrics.column import Column


def differences(
    results: Mapping[str, Sequence[Result]], columns: Sequence[Column]
) -> dict[str, list[RowDifferences]]:
    """Return what each row differs by from the one before, by name of the test set."""
    return {
        name: between_rows({r.label: r.evaluation for r in found}, columns)
        for name, found in results.items()
    }


def write_tables(
    output: Path,
    tables: Sequence[Table],
    steps: Mapping[str, Sequence[RowDifferences]],
    columns: Sequence[Column],
    problems: Sequence[str],
) -> None:
    """Write `table.md`, `table.tex`, `paper_table.tex`, `differences.md` and `summary.json`."""
    write_text(output / "table.md", "\n".join(markdown(table) for table in tables))
    write_text(output / "table.tex", "\n".join(latex(table) for table in tables))
    write_text(output / "paper_table.tex", paper_layout(tables))
    texts = [differences_markdown(name, found, columns) for name, found in steps.items() if found]
    if texts:
        write_text(output / "differences.md", "\n".join(texts))
    summary = {
        "tables": {
            table.title: {"notes": table.notes, "rows": [asdict(row) for row in table.rows]}
            for table in tables
        },
        "differences": {name: [s._asdict() for s in found] for name, found in steps.items()},
        "problems": list(problems),
    }
    write_text(output / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def illustrate(
    output: Path,
    title: str,
    tables: Sequence[Table],
    results: Mapping[str, Sequence[Result]],
    columns: Sequence[Column],
    *,
    examples: int,
    figures: int,
) -> Path:
    """Write the report and the figures of the first photographs; return the report's page.

    Args:
        output: Folder of `report/` and `figures/`.
        title: Of the report.
        tables: By test set, its name being their title.
        results: By name of the test set.
        columns: Those of the metrics.
        examples: Photographs of each test set in the report.
        figures: Photographs of each test set that are drawn as figures.
    """
    sections = []
    for table in tables:
        found = results[table.title]
        shown = examples_of(found, columns, max(examples, figures))
        sections.append(Section(table.title, table, shown[:examples]))
        if figures:
            folder = output / "figures" / folder_name(table.title)
            write_figures(folder, shown[:figures], found)
    return write_report(output / "report", title, sections)
