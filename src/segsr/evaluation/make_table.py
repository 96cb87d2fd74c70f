"""Evaluations to the table of a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segsr.evaluation.evaluate import Evaluation
from segsr.evaluation.protocol import Protocol
from segsr.evaluation.summary import summarise
from segsr.evaluation.table import Row, Table
from segsr.metrics.column import Column


def make_table(
    evaluations: Mapping[str, Evaluation],
    columns: Sequence[Column],
    protocol: Protocol,
    *,
    title: str,
) -> Table:
    """Return the table of methods on one test set, its protocol below.

    Args:
        evaluations: By label of the method; at least one.
        columns: Those of the metrics; what nobody was measured on is left out.
        protocol: Where the metrics come from.
        title: Of the table.
    """
    rows = tuple(
        Row(label, summarise(evaluation.records, tuple(columns)))
        for label, evaluation in evaluations.items()
    )
    measured = {name for row in rows for name in row.values}
    shown = tuple(column for column in columns if column.name in measured)
    notes = []
    for label, evaluation in evaluations.items():
        count = f"{len(evaluation.records)} of {evaluation.expected} images"
        if len(evaluation.records) < evaluation.expected:
            notes.append(f"INCOMPLETE: {label} was measured on {count}.")
    first = next(iter(evaluations.values()))
    notes.append(f"{len(first.records)} images; in brackets 95 % bootstrap intervals over images.")
    return Table(title, shown, rows, (*notes, *protocol.notes(first.digests)))
