import builtins
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import (
    add_class_legend,
    legend_height,
    name,
    new_figure,
    place,
    show,
    write_figure,
)
from segsr.palette import PALETTE

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def figure():
    """Two inches by one, a photograph of 60x40 pixels in its left half."""
    figure = new_figure(2.0, 1.0)
    show(place(figure, 0.0, 0.0, 1.0, 1.0), NOISE)
    return figure


def test_both_files_are_what_their_names_say(tmp_path, figure):
    pdf, png = write_figure(figure, tmp_path / "new" / "exp.1")
    assert (pdf.name, png.name) == ("exp.1.pdf", "exp.1.png")
    with Image.open(png) as image:
        assert image.format == "PNG"
        assert image.size == (600, 300)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert re.search(rb"/MediaBox \[ 0 0 144 72 \]", content)
    assert sorted(path.name for path in pdf.parent.iterdir()) == ["exp.1.pdf", "exp.1.png"]


def test_the_pdf_holds_every_pixel(tmp_path, figure):
    content = write_figure(figure, tmp_path / "f")[0].read_bytes()
    assert re.search(rb"/Width 60\b", content)
    assert re.search(rb"/Height 40\b", content)


def test_text_is_text_in_the_pdf(tmp_path):
    figure = new_figure(2.0, 1.0)
    name(place(figure, 0.0, 0.2, 2.0, 0.8), "SegSR", "above")
    content = write_figure(figure, tmp_path / "f")[0].read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.S)
    drawn = b"".join(zlib.decompress(s) for s in streams if s[:1] == b"x")
    assert b"/FontFile2" in content  # TrueType, embedded
    assert "SegSR" in drawn.replace(b"\0", b"").decode("latin-1")


def test_the_same_figure_makes_the_same_bytes(tmp_path, figure):
    first, second = (write_figure(figure, tmp_path / stem) for stem in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_places_are_inches_from_the_upper_left(tmp_path):
    figure = new_figure(2.0, 1.0)
    show(place(figure, 0.5, 0.1, 1.0, 0.3), np.zeros((4, 4, 3), np.uint8))
    with Image.open(write_figure(figure, tmp_path / "f")[1]) as image:
        dark = np.asarray(image.convert("L")) < 128
    rows, columns = np.where(dark.any(1))[0], np.where(dark.any(0))[0]
    assert (columns.min(), columns.max() + 1) == (150, 450)
    assert (rows.min(), rows.max() + 1) == (30, 120)


def test_a_shrunken_photograph_is_averaged_a_mask_is_not(tmp_path):
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    figure = new_figure(1.0, 0.5)
    show(place(figure, 0.0, 0.0, 0.5, 0.5), stripes)
    show(place(figure, 0.5, 0.0, 0.5, 0.5), stripes, "nearest")
    with Image.open(write_figure(figure, tmp_path / "f")[1]) as image:
        grey = np.asarray(image.convert("L")).astype(int)
    assert (abs(grey[20:-20, 20:130] - 128) < 40).all()
    assert set(np.unique(grey[20:-20, 170:-20])) <= {0, 255}


def test_a_long_name_gets_smaller_until_it_fits():
    figure = new_figure(2.0, 2.0)
    axes = place(figure, 0.5, 0.5, 1.0, 1.0)
    for where, read in (("above", axes.title), ("below", axes.xaxis.label)):
        name(axes, "short", where)
        assert read.get_fontsize() == 8
        name(axes, "a method with quite a long name", where)
        figure.draw_without_rendering()
        assert read.get_window_extent().width <= axes.get_window_extent().width


def test_the_legend_names_the_colours_and_keeps_to_its_height(legend):
    present = set(range(0, len(CLASSES), 2))
    figure = new_figure(3.0, 3.0)
    add_class_legend(figure, present)
    assert legend(figure) == {CLASSES[i]: PALETTE[i] for i in present}
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.y0 >= -1
    assert box.y1 <= 1 + figure.dpi * legend_height(present, 3.0)
    assert box.width <= figure.bbox.width


def test_no_classes_need_no_legend():
    figure = new_figure(3.0, 3.0)
    add_class_legend(figure, ())
    assert not figure.legends
    assert legend_height((), 3.0) == 0


def test_a_failure_leaves_the_old_files(tmp_path, figure, monkeypatch):
    old = [path.read_bytes() for path in write_figure(figure, tmp_path / "f")]
    show(place(figure, 1.0, 0.0, 1.0, 1.0), NOISE)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(SegSRError, match="No space left"):
        write_figure(figure, tmp_path / "f")
    assert [(tmp_path / f"f.{kind}").read_bytes() for kind in ("pdf", "png")] == old
    assert len(list(tmp_path.iterdir())) == 2


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(module, *args, **kwargs):
        if module.startswith("matplotlib"):
            raise ImportError(module)
        return real(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SegSRError, match=r"pip install 'segsr\[report\]'"):
        new_figure(1.0, 1.0)
