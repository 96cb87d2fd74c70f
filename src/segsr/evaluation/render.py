"""Tables as Markdown, LaTeX and for the terminal; best bold, second best underlined."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table as RichTable

from segsr.evaluation.table import Row, Table, Value
from segsr.metrics.column import Column

_PRINTED = "as printed"
_METHOD_WIDTH, _INTERVAL_WIDTH = 20, 19  # characters in a terminal
_LATEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}


def markdown(table: Table, *, intervals: bool = True) -> str:
    """Return `table` as GitHub-flavoured Markdown, one method a row."""

    def cell(row: Row, column: Column, place: int) -> str:
        value = row.values.get(column.name)
        if value is None:
            return ""
        text = _number(value.mean, column)
        text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(place, text)
        return text + (_interval(value, column) if intervals else "")

    head = ["method", *(_arrowed(column, "↑", "↓") for column in table.columns)]
    lines = [
        f"### {_plain(table.title)}",
        "",
        _bar(head),
        _bar(["---", *("---:" for _ in table.columns)]),
        *(_bar([_plain(_label(row)), *cells]) for row, cells in _cells(table, cell)),
        "",
        *(f"{_plain(note)}  " for note in table.notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def latex(table: Table, *, intervals: bool = False) -> str:
    """Return `table` as a LaTeX table of the package booktabs, one method a row."""

    def cell(row: Row, column: Column, place: int) -> str:
        value = row.values.get(column.name)
        if value is None:
            return "--"
        text = _number(value.mean, column)
        text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(place, text)
        if intervals and (between := _interval(value, column)):
            text += rf" {{\scriptsize{between}}}"
        return text

    heads = [_arrowed(column, r"$\uparrow$", r"$\downarrow$", _escape) for column in table.columns]
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_escape(table.title)}. {_escape(' '.join(table.notes))}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"    \toprule",
        rf"    Method & {' & '.join(heads)} \\",
        r"    \midrule",
        *(
            rf"    {_escape(_label(row))} & {' & '.join(cells)} \\"
            for row, cells in _cells(table, cell)
        ),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def paper_layout(tables: Sequence[Table]) -> str:
    """Return the paper's Table 1 as LaTeX: test sets and metrics by row, methods by column."""
    methods = list(dict.fromkeys(_label(row) for table in tables for row in table.rows))
    lines = [
        r"% \usepackage{booktabs,multirow}",
        r"\begin{table*}",
        r"  \centering",
        rf"  \begin{{tabular}}{{ll{'r' * len(methods)}}}",
        r"    \toprule",
        rf"    Datasets & Metrics & {' & '.join(map(_escape, methods))} \\",
    ]
    for table in tables:
        lines.append(r"    \midrule")
        for i, column in enumerate(table.columns):
            name = rf"\multirow{{{len(table.columns)}}}{{*}}{{{_escape(table.title)}}}"
            metric = _arrowed(column, r"$\uparrow$", r"$\downarrow$", _escape)
            found = {_label(row): row for row in table.rows if column.name in row.values}
            cells = []
            for method in methods:
                if method not in found:
                    cells.append("--")
                    continue
                row = found[method]
                text = _number(row.values[column.name].mean, column)
                marked = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}
                cells.append(marked.get(table.place(row, column), text))
            lines.append(rf"    {name if i == 0 else ''} & {metric} & {' & '.join(cells)} \\")
    notes = " ".join(dict.fromkeys(note for table in tables for note in table.notes))
    lines += [
        r"    \bottomrule",
        r"  \end{tabular}",
        rf"  \caption{{{_escape(notes)}}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def terminal(table: Table, width: int) -> RichTable:
    """Return `table`, without its notes, for a terminal; without intervals if there is no room.

    Args:
        table: What to draw.
        width: Characters of a line.
    """
    roomy = width >= _METHOD_WIDTH + _INTERVAL_WIDTH * len(table.columns)
    drawn = RichTable(title=table.title, title_justify="left", box=box.SIMPLE)
    drawn.add_column("method", overflow="fold", min_width=_METHOD_WIDTH)
    for column in table.columns:
        drawn.add_column(_arrowed(column, "↑", "↓"), justify="right", no_wrap=roomy)

    def cell(row: Row, column: Column, place: int) -> str:
        value = row.values.get(column.name)
        if value is None:
            return ""
        text = _number(value.mean, column)
        text = {1: f"[bold]{text}[/bold]", 2: f"[underline]{text}[/underline]"}.get(place, text)
        if value.low is None or not roomy:
            return text
        return f"{text}\n[dim]{_span(value, column)}[/dim]"

    for row, cells in _cells(table, cell):
        drawn.add_row(_label(row), *cells)
    return drawn


def _cells(table: Table, cell: Callable[[Row, Column, int], str]) -> list[tuple[Row, list[str]]]:
    return [
        (row, [cell(row, column, table.place(row, column)) for column in table.columns])
        for row in table.rows
    ]


def _number(value: float, column: Column) -> str:
    return f"{value:.{column.decimals}f}"


def _interval(value: Value, column: Column) -> str:
    return f" ({_span(value, column)})" if value.low is not None else ""


def _span(value: Value, column: Column) -> str:
    assert value.low is not None
    assert value.high is not None
    return f"{_number(value.low, column)} to {_number(value.high, column)}"


def _label(row: Row) -> str:
    return f"{row.label} ({_PRINTED})" if row.printed else row.label


def _arrowed(
    column: Column, up: str, down: str, escape: Callable[[str], str] = lambda text: text
) -> str:
    return f"{escape(column.label)} {up if column.higher_is_better else down}"


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return text.replace("|", r"\|")


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
