"""A table of methods and metrics as data; `render` writes it as Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from segsr.metrics.column import Column


@dataclass(frozen=True)
class Value:
    """One cell.

    Attributes:
        mean: The number itself.
        low: Lower end of its 95 % bootstrap interval over images; None where there is none.
        high: Upper end of it.
        std: Standard deviation over images; None for a number that is of the whole set.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        label: Name of the method.
        values: By name of the column; a missing one was not measured.
        printed: Whether the figures are copied from a publication instead of measured here.
    """

    label: str
    values: Mapping[str, Value]
    printed: bool = False


@dataclass(frozen=True)
class Table:
    """Methods on one test set.

    Attributes:
        title: Name of the test set.
        columns: In order.
        rows: In order.
        notes: What stands under the table: the protocol, the number of images.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    def places(self, column: Column) -> dict[str, int]:
        """Return the labels of the best row (1) and the second best (2) of a column.

        Rows copied from a publication do not compete, nor does nan; equal rounded figures share a
        place, and a lone row has none.
        """
        shown = {
            row.label: round(value.mean, column.decimals)
            for row in self.rows
            if not row.printed and (value := row.values.get(column.name)) is not None
            if not math.isnan(value.mean)
        }
        order = sorted(set(shown.values()), reverse=column.higher_is_better)[:2]
        if len(shown) < 2:
            return {}
        return {label: order.index(x) + 1 for label, x in shown.items() if x in order}

    def place(self, row: Row, column: Column) -> int:
        """Return the place of a row in a column: 1, 2, or 0 for none."""
        return 0 if row.printed else self.places(column).get(row.label, 0)
