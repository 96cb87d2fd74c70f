"""Records to the figures of a table, with how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from segsr.evaluation.records import ImageRecord, stack
from segsr.evaluation.table import Value
from segsr.metrics.bootstrap import bootstrap_interval, bootstrap_set, paired_bootstrap
from segsr.metrics.column import Column, mean


class Difference(NamedTuple):
    """One method's figure minus another's on the same images, with its 95 % interval."""

    mean: float
    low: float
    high: float


def summarise(records: Mapping[str, ImageRecord], columns: Iterable[Column]) -> dict[str, Value]:
    """Return the figure of each column that any record has measurements of.

    Intervals are 95 % percentile bootstrap intervals over images; a mean also has a standard
    deviation (n - 1 in the denominator, 0 of one image).
    """
    figures = {}
    for column in columns:
        if not any(column.field in record.values for record in records.values()):
            continue
        values = stack(records.values(), column.field)
        if column.reduce is mean:
            interval = bootstrap_interval(values)
            std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            figures[column.name] = Value(mean(values), *interval, std)
        else:
            interval = bootstrap_set(values, column.reduce)
            figures[column.name] = Value(column.reduce(values), *interval)
    return figures


def difference(
    records: Mapping[str, ImageRecord], base: Mapping[str, ImageRecord], column: Column
) -> Difference | None:
    """Return the paired difference in one column, over the images that both have; None if none."""
    names = [
        name
        for name in records
        if name in base
        and column.field in records[name].values
        and column.field in base[name].values
    ]
    if not names:
        return None
    values = stack(_pick(records, names), column.field)
    others = stack(_pick(base, names), column.field)
    if column.reduce is mean:
        return Difference(*paired_bootstrap(values, others))
    interval = bootstrap_set(values, column.reduce, other=others)
    return Difference(column.reduce(values) - column.reduce(others), *interval)


def _pick(records: Mapping[str, ImageRecord], names: Sequence[str]) -> list[ImageRecord]:
    return [records[name] for name in names]
