"""The HTML of a report; every text in it is escaped, and it may load nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from segsr.classes import CLASSES, PALETTE
from segsr.evaluation.table import Row, Table
from segsr.metrics.column import Column

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
    parts = list(zip(tables, viewers, strict=True))
    links = [f'<a href="#set-{i}">{escape(name)}</a>' for i, ((name, _), _) in enumerate(parts)]
    sections = [_section(i, *part[0], part[1]) for i, part in enumerate(parts)]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
{GENERATOR}
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header class="top">
<h1>{escape(title)}</h1>
{f"<nav>{''.join(links)}</nav>" if len(links) > 1 else ""}
</header>
<main>
{"".join(sections)}
</main>
<script>{script}</script>
</body>
</html>
"""


def _section(number: int, name: str, table: Table, viewers: Sequence[Viewer]) -> str:
    title = f'<p class="caption">{escape(table.title)}</p>' if table.title != name else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return f"""<section class="set" id="set-{number}">
<h2>{escape(name)}</h2>
{title}<div class="scroll">{_set_table(table)}</div>
{f'<ul class="notes">{notes}</ul>' if notes else ""}
{_toolbar(viewers) if len(viewers) > 1 else ""}
<div class="viewers">
{"".join(_viewer(viewer, table.columns) for viewer in viewers)}
</div>
</section>
"""


def _set_table(table: Table) -> str:
    places = {column.name: table.places(column) for column in table.columns}

    def cells(row: Row) -> str:
        return "".join(
            _cell(row, column, 0 if row.printed else places[column.name].get(row.label, 0))
            for column in table.columns
        )

    rows = [
        (row.label, ' <span class="tag">as printed</span>' if row.printed else "", cells(row))
        for row in table.rows
    ]
    body = "".join(
        f'<tr{" class=printed" if tag else ""}><th scope="row">{escape(label)}{tag}</th>{text}</tr>'
        for label, tag, text in rows
    )
    return _table(table.columns, body)


def _cell(row: Row, column: Column, place: int) -> str:
    value = row.values.get(column.name)
    if value is None or math.isnan(value.mean):
        return f"<td>{_MISSING}</td>"
    text = _number(value.mean, column)
    text = {1: f"<strong>{text}</strong>", 2: f"<u>{text}</u>"}.get(place, text)
    if value.low is not None and value.high is not None:
        text += f"<small>{_number(value.low, column)} to {_number(value.high, column)}</small>"
    spread = (
        ""
        if value.std is None
        else f' title="standard deviation over images {_number(value.std, column)}"'
    )
    return f'<td data-value="{value.mean!r}"{spread}>{text}</td>'


def _table(columns: Sequence[Column], body: str) -> str:
    heads = "".join(
        f'<th scope="col" data-first="{"descending" if column.higher_is_better else "ascending"}">'
        f'<button type="button">{escape(column.label)} '
        f'<span title="{"higher" if column.higher_is_better else "lower"} is better">'
        f"{'↑' if column.higher_is_better else '↓'}</span></button></th>"
        for column in columns
    )
    return f"""<table>
<thead><tr><th scope="col" data-first="ascending"><button type="button">Method</button></th>\
{heads}</tr></thead>
<tbody>{body}</tbody>
</table>"""


def _toolbar(viewers: Sequence[Viewer]) -> str:
    """What is chosen for all photographs of a test set at once."""
    labels = dict.fromkeys(side.label for viewer in viewers for side in viewer.sides)
    options = "<option></option>" + "".join(f"<option>{escape(label)}</option>" for label in labels)
    masks = any(side.mask for viewer in viewers for side in viewer.sides)
    mask = '<label><input type="checkbox" class="mask"> Mask</label>' if masks else ""
    return f"""<div class="toolbar all" role="group" aria-label="All photographs">
<span>All photographs</span>
<label>Left <select class="left">{options}</select></label>
<label>Right <select class="right">{options}</select></label>
{mask}
</div>"""


def _viewer(viewer: Viewer, columns: Sequence[Column]) -> str:
    width, height = viewer.size
    left, right = 0, _first_choice(viewer.sides)
    name = escape(viewer.name)
    return f"""<article class="viewer" data-width="{width}" data-height="{height}">
<h3>{name}</h3>
<div class="toolbar" role="group" aria-label="What {name} shows">
<label>Left <select class="left">{_options(viewer.sides, columns, left)}</select></label>
<label>Right <select class="right">{_options(viewer.sides, columns, right)}</select></label>
<label>Size <select class="size"><option value="">fit</option><option value="1">100 %</option>\
<option value="2">200 %</option><option value="4">400 %</option></select></label>
</div>
<div class="scroll frame"><div class="stage">
<div class="layer left"><img class="photo" alt="{escape(viewer.sides[left].label)}" \
src="{escape(viewer.sides[left].image)}" loading="lazy"><img class="overlay" alt="" hidden></div>
<div class="layer right"><img class="photo" alt="{escape(viewer.sides[right].label)}" \
src="{escape(viewer.sides[right].image)}" loading="lazy"><img class="overlay" alt="" hidden></div>
<span class="name left"></span><span class="name right"></span>
<input type="range" class="split" min="0" max="100" step="1" value="50" \
aria-label="Where the right image of {name} begins, in percent">
<span class="divide"></span>
</div></div>
<div class="figures"><span class="left"></span><span class="right"></span></div>
{_mask_controls(viewer)}
{_figures(viewer.sides, columns)}
</article>
"""


def _first_choice(sides: Sequence[Side]) -> int:
    """The last method, which is where a table has its own; else the last image."""
    methods = [i for i, side in enumerate(sides) if side.label not in ("LQ", "HQ")]
    return methods[-1] if methods else len(sides) - 1


def _options(sides: Sequence[Side], columns: Sequence[Column], chosen: int) -> str:
    return "".join(
        f'<option data-image="{escape(side.image)}" data-mask="{escape(side.mask or "")}" '
        f'data-classes="{" ".join(map(str, side.classes))}" data-pixels="{int(side.pixels)}" '
        f'data-figures="{escape(_summary(side, columns))}"'
        f"{' selected' if i == chosen else ''}>{escape(side.label)}</option>"
        for i, side in enumerate(sides)
    )


def _summary(side: Side, columns: Sequence[Column]) -> str:
    return " · ".join(
        f"{column.label} {_number(side.values[column.name], column)}"
        for column in columns
        if not math.isnan(side.values.get(column.name, math.nan))
    )


def _mask_controls(viewer: Viewer) -> str:
    """The overlay's switch, its opacity and what its colours mean; nothing without a mask."""
    if not any(side.mask for side in viewer.sides):
        return ""
    present = sorted({index for side in viewer.sides for index in side.classes})
    legend = "".join(
        f'<li data-class="{i}"><span class="swatch c{i}"></span>{escape(CLASSES[i])}</li>'
        for i in present
    )
    return f"""<div class="toolbar" role="group" aria-label="Mask of {escape(viewer.name)}">
<label><input type="checkbox" class="mask"> Mask</label>
<label>Opacity <input type="range" class="opacity" min="0" max="100" value="55"></label>
</div>
<ul class="legend" hidden>{legend}</ul>"""


def _figures(sides: Sequence[Side], columns: Sequence[Column]) -> str:
    """The table of one photograph, folded away."""
    measured = [side for side in sides if side.values]
    shown = [column for column in columns if any(column.name in side.values for side in measured)]
    if not shown:
        return ""

    def cell(side: Side, column: Column) -> str:
        value = side.values.get(column.name, math.nan)
        if math.isnan(value):
            return f"<td>{_MISSING}</td>"
        return f'<td data-value="{value!r}">{_number(value, column)}</td>'

    body = "".join(
        f'<tr><th scope="row">{escape(side.label)}</th>'
        f"{''.join(cell(side, column) for column in shown)}</tr>"
        for side in measured
    )
    return (
        f"<details><summary>All figures of this photograph</summary>"
        f'<div class="scroll">{_table(shown, body)}</div></details>'
    )


def _number(value: float, column: Column) -> str:
    return "∞" if math.isinf(value) else f"{value:.{column.decimals}f}"


def _asset(name: str) -> str:
    return (files("segsr.evaluation") / "report_assets" / name).read_text(encoding="utf-8")


def _class_colours() -> str:
    return "".join(
        f".c{i}{{background:rgb({red},{green},{blue})}}\n"
        for i, (red, green, blue) in enumerate(PALETTE)
    )


def _digest(text: str) -> str:
    """The source expression of a content security policy that allows this inline text alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
