"""How sure the order of two methods is: paired differences with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from segsr.evaluation.evaluate import Evaluation
from segsr.evaluation.summary import Difference, difference
from segsr.metrics.column import Column


class RowDifferences(NamedTuple):
    """One method against another, by name of the column."""

    method: str
    base: str
    differences: dict[str, Difference]


def between_rows(
    evaluations: Mapping[str, Evaluation], columns: Sequence[Column]
) -> list[RowDifferences]:
    """Return each method's differences from the method of the row above, over the same images.

    Args:
        evaluations: By label of the method, in the order of the rows.
        columns: Of the table.
    """
    rows = []
    for (base, above), (label, own) in pairwise(evaluations.items()):
        found = {column.name: difference(own.records, above.records, column) for column in columns}
        known = {name: value for name, value in found.items() if value is not None}
        rows.append(RowDifferences(label, base, known))
    return rows


def differences_markdown(
    title: str, rows: Sequence[RowDifferences], columns: Sequence[Column], *, intervals: bool = True
) -> str:
    """Return the differences as a Markdown table; bold where the interval excludes 0."""
    shown = [column for column in columns if any(column.name in row.differences for row in rows)]
    lines = [
        f"### {title}: differences between rows",
        "",
        f"| difference | {' | '.join(column.label for column in shown)} |",
        f"| --- |{' ---: |' * len(shown)}",
    ]
    for row in rows:
        cells = [_cell(row.differences.get(column.name), column, intervals) for column in shown]
        lines.append(f"| {row.method} minus {row.base} | {' | '.join(cells)} |")
    lines += [
        "",
        "Paired over images; bold where the 95 % bootstrap interval excludes 0.",
    ]
    return "\n".join(lines) + "\n"


def _cell(found: Difference | None, column: Column, intervals: bool) -> str:
    if found is None:
        return ""
    digits = column.decimals + 1  # differences are small
    text = f"{found.mean:+.{digits}f}"
    if found.low > 0 or found.high < 0:
        text = f"**{text}**"
    if not intervals:
        return text
    return f"{text} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"
