"""The table of a test set with what the methods cost, and with what others have printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segsr.evaluation.make_table import make_table
from segsr.evaluation.protocol import Protocol
from segsr.evaluation.runner import Result, mean_seconds
from segsr.evaluation.table import Row, Table, Value
from segsr.metrics.column import Column

SECONDS = Column("seconds", "s/image", False, 2, "seconds")
MEMORY = Column("memory", "GiB", False, 2, "memory")


def cost_table(
    name: str,
    results: Sequence[Result],
    columns: Sequence[Column],
    protocol: Protocol,
    printed: Mapping[str, Mapping[str, float]],
) -> Table:
    """Return the measured rows with their cost, below the printed ones.

    Args:
        name: Of the test set, and title of the table.
        results: Those of the methods; at least one.
        columns: Those of the metrics.
        protocol: Where the metrics come from.
        printed: A paper's own figures by method and column.
    """
    measured = {r.label: r.evaluation for r in results}
    table = make_table(measured, columns, protocol, title=name)
    rows = [
        Row(row.label, {**row.values, **_cost(result)})
        for row, result in zip(table.rows, results, strict=True)
    ]
    theirs = [
        Row(label, {key: Value(float(value)) for key, value in values.items()}, True)
        for label, values in printed.items()
    ]
    costly = [c for c in (SECONDS, MEMORY) if any(c.name in row.values for row in rows)]
    devices = sorted({result.device for result in results if result.device})
    notes = list(table.notes)
    if devices:
        notes.append(
            f"s/image: mean wall time of restoring a photograph, the first one run once untimed; "
            f"GiB: most memory at any moment; on {' and '.join(devices)}."
        )
    if theirs:
        notes.append("Rows as printed are the paper's own figures, not measured here.")
    return Table(name, (*table.columns, *costly), (*theirs, *rows), tuple(notes))


def _cost(result: Result) -> dict[str, Value]:
    costs = {"seconds": mean_seconds(result), "memory": result.memory}
    return {name: Value(value) for name, value in costs.items() if value is not None}
