"""What the figures and the report show: photographs, each as every method restored it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsr.evaluation.table import Table


@dataclass(frozen=True)
class Panel:
    """One photograph as one method restored it.

    Attributes:
        label: Name of the method.
        image: The restored photograph.
        mask: Its classes, an indexed or grey PNG of any size; None if the method makes none.
    """

    label: str
    image: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Example:
    """One photograph and what the methods made of it.

    Attributes:
        name: Name of the photograph.
        lq: The degraded photograph, of any size.
        hq: The true one; None where there is none.
        panels: One for each method, in order.
        values: By the label of the panel, then by the name of the column.
    """

    name: str
    lq: Path | None
    hq: Path | None
    panels: tuple[Panel, ...]
    values: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Section:
    """One test set.

    Attributes:
        title: Its name.
        table: All methods on it.
        examples: Its photographs, as many as are to be shown.
    """

    title: str
    table: Table
    examples: tuple[Example, ...]
