"""The HTML of a report; every text in it is escaped, and it may load nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import jinja2

from segsr.classes import CLASSES
from segsr.evaluation.table import Table
from segsr.metrics.column import Column
from segsr.palette import PALETTE

GENERATOR = '<meta name="generator" content="segsr report">'
"""What tells a report from any other page."""

_MISSING = "–"  # noqa: RUF001 (an en dash, as in printed tables)


@dataclass(frozen=True)
class Side:
    """One image that a viewer can show.

    Attributes:
        label: Name of the method, or LQ, or HQ.
        image: Address relative to the page.
        pixels: Whether it is enlarged with nearest neighbour.
        mask: Address of its mask in colours.
        classes: Class indices that occur in the mask.
        values: Its figures by the name of the column.
    """

    label: str
    image: str
    pixels: bool = False
    mask: str | None = None
    classes: tuple[int, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Viewer:
    """One photograph: two of its sides are shown with a slider between them.

    Attributes:
        name: Name of the photograph.
        size: Width and height at full size, in pixels.
        sides: At least one, in the order of the menus.
    """

    name: str
    size: tuple[int, int]
    sides: tuple[Side, ...]

    @property
    def first_choice(self) -> int:
        """The last method, which is where a table has its own; else the last image."""
        methods = [i for i, side in enumerate(self.sides) if side.label not in ("LQ", "HQ")]
        return methods[-1] if methods else len(self.sides) - 1

    @property
    def has_masks(self) -> bool:
        """Whether any side has a mask."""
        return any(side.mask for side in self.sides)

    @property
    def classes(self) -> list[int]:
        """The classes that occur in any mask, in order."""
        return sorted({index for side in self.sides for index in side.classes})

    @property
    def measured(self) -> list[Side]:
        """The sides with figures."""
        return [side for side in self.sides if side.values]

    def shown(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that any side has a figure of."""
        return [c for c in columns if any(c.name in side.values for side in self.sides)]


def page(
    title: str, tables: Sequence[tuple[str, Table]], viewers: Sequence[Sequence[Viewer]]
) -> str:
    """Return the page: a table and its viewers for each test set.

    Args:
        title: Its heading.
        tables: Name and table of every test set.
        viewers: Photographs of every test set.
    """
    style, script = _asset("style.css") + _class_colours(), _asset("report.js")
    policy = (
        f"default-src 'none'; img-src 'self' file: data:; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    )
    sets = [(*named, photos) for named, photos in zip(tables, viewers, strict=True)]
    return (
        _templates()
        .get_template("page.html")
        .render(
            title=title,
            sets=sets,
            policy=policy,
            generator=GENERATOR,
            style=style,
            script=script,
        )
    )


@cache
def _templates() -> jinja2.Environment:
    """The templates: a name that a template gets wrong is an error, and text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("segsr.evaluation.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(class_names=CLASSES, missing=_MISSING)
    environment.filters.update(figure=_figure, figures=_figures)
    environment.tests["nan"] = math.isnan
    return environment


def _figure(value: float, column: Column) -> str:
    """A number as the column prints it."""
    return "∞" if math.isinf(value) else f"{value:.{column.decimals}f}"


def _figures(side: Side, columns: Sequence[Column]) -> str:
    """The figures of one image in a line."""
    return " · ".join(
        f"{column.label} {_figure(side.values[column.name], column)}"
        for column in columns
        if not math.isnan(side.values.get(column.name, math.nan))
    )


def _asset(name: str) -> str:
    return (files("segsr.evaluation.report") / "assets" / name).read_text(encoding="utf-8")


def _class_colours() -> str:
    return "".join(
        f".c{i}{{background:rgb({red},{green},{blue})}}\n"
        for i, (red, green, blue) in enumerate(PALETTE)
    )


def _digest(text: str) -> str:
    """The source expression of a content security policy that allows this inline text alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
