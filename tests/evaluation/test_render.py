import io

from rich.console import Console

from segsr.cli.tables import print_table
from segsr.evaluation.render import latex, markdown, paper_layout
from segsr.evaluation.table import Row, Table, Value
from segsr.metrics.column import Column

PSNR = Column("psnr", "PSNR", True, 2, "psnr")
LPIPS = Column("lpips", "LPIPS", False, 4, "lpips")
TABLE = Table(
    "Real_SR",
    (PSNR, LPIPS),
    (
        Row("SeeSR", {"psnr": Value(99.0)}, printed=True),
        Row("a|b", {"psnr": Value(25.0, 24.0, 26.0, 1.0), "lpips": Value(0.3)}),
        Row("best & first", {"psnr": Value(27.004), "lpips": Value(0.2)}),
        Row("tied", {"psnr": Value(27.001), "lpips": Value(0.4)}),
    ),
    ("Protocol x_y: 100 %.",),
)


def test_places_ignore_printed_rows_and_share_equal_figures():
    assert TABLE.places(PSNR) == {"best & first": 1, "tied": 1, "a|b": 2}
    assert TABLE.places(LPIPS) == {"best & first": 1, "a|b": 2}
    assert Table("t", (PSNR,), TABLE.rows[:2]).places(PSNR) == {}
    assert [TABLE.place(row, PSNR) for row in TABLE.rows] == [0, 2, 1, 1]


def test_what_is_nan_has_no_place():
    unmeasured = tuple(Row(f"nan {i}", {"psnr": Value(float("nan"))}) for i in range(5))
    assert Table("t", (PSNR,), (*unmeasured, *TABLE.rows)).places(PSNR) == TABLE.places(PSNR)


def test_markdown():
    assert markdown(TABLE) == (
        "### Real_SR\n\n"
        "| method | PSNR ↑ | LPIPS ↓ |\n"
        "| --- | ---: | ---: |\n"
        "| SeeSR (as printed) | 99.00 |  |\n"
        "| a\\|b | <u>25.00</u> (24.00 to 26.00) | <u>0.3000</u> |\n"
        "| best & first | **27.00** | **0.2000** |\n"
        "| tied | **27.00** | 0.4000 |\n\n"
        "Protocol x_y: 100 %.\n"
    )


def test_latex_escapes_and_marks():
    text = latex(TABLE)
    assert r"\textbf{27.00} & \textbf{0.2000} \\" in text
    assert r"a|b & \underline{25.00} & \underline{0.3000} \\" in text
    assert r"best \& first" in text
    assert r"SeeSR (as printed) & 99.00 & -- \\" in text
    assert r"Real\_SR. Protocol x\_y: 100 \%." in text
    assert text.count("{") == text.count("}")


def test_paper_layout_has_methods_as_columns():
    text = paper_layout([TABLE, Table("Other", (PSNR,), TABLE.rows[1:2])])
    assert r"Datasets & Metrics & SeeSR (as printed) & a|b & best \& first & tied \\" in text
    assert (
        r"\multirow{2}{*}{Real\_SR} & PSNR $\uparrow$ & 99.00 & \underline{25.00} & "
        r"\textbf{27.00} & \textbf{27.00} \\"
    ) in text
    assert r"\multirow{1}{*}{Other} & PSNR $\uparrow$ & -- & 25.00 & -- & -- \\" in text


def test_a_narrow_terminal_has_no_intervals():
    for width, shown in ((40, False), (120, True)):
        stream = io.StringIO()
        print_table(TABLE, Console(file=stream, width=width))
        assert ("24.00 to 26.00" in stream.getvalue()) is shown
        assert "best & first" in stream.getvalue()
