from dataclasses import replace

import numpy as np
import pytest

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.figures.ablation_strip import draw_ablation_strip
from segsr.evaluation.figures.canvas import write_figure
from segsr.evaluation.gallery import Panel
from segsr.palette import IGNORE_COLOUR, PALETTE


@pytest.fixture
def settings(example, class_map):
    """Three settings: without a mask, with one of sky, with one of road."""
    first, second = example.panels
    third = Panel("HQ mask", second.image, class_map("road.png", "road"))
    return replace(example, panels=(first, second, third))


def test_images_above_their_masks(settings, pictures, inside, colours):
    figure = draw_ablation_strip(settings)
    assert [axes.get_title() for axes in figure.axes[0::2]] == ["first", "second", "HQ mask"]
    first, second, sky, third, road = pictures(figure)
    for image, colour in ((first, "first"), (second, "second"), (third, "second")):
        assert (image == colours[colour]).all()
    for mask, label in ((sky, "sky"), (road, "road")):
        assert (mask[:24] == PALETTE[CLASSES.index(label)]).all()
        assert (mask[24:] == IGNORE_COLOUR).all()
    empty = figure.axes[1]
    assert [text.get_text() for text in empty.texts] == ["no mask"]
    for above, under in zip(figure.axes[0::2], figure.axes[1::2], strict=True):
        assert above.get_window_extent().y0 > under.get_window_extent().y1
    assert inside(figure)


def test_the_legend_names_what_the_masks_hold(settings, legend):
    expected = {label: PALETTE[CLASSES.index(label)] for label in ("sky", "road")}
    assert legend(draw_ablation_strip(settings)) == expected


def test_one_method_without_a_mask(example):
    figure = draw_ablation_strip(replace(example, panels=example.panels[:1]))
    assert len(figure.axes) == 2
    assert not figure.legends


def test_it_becomes_files(settings, tmp_path):
    files = write_figure(draw_ablation_strip(settings), tmp_path / "figure6")
    assert [path.name for path in files] == ["figure6.pdf", "figure6.png"]
    assert all(path.stat().st_size > 1000 for path in files)


def test_nothing_to_draw_is_said(example):
    with pytest.raises(SegSRError, match="house: a strip needs at least one method"):
        draw_ablation_strip(replace(example, panels=()))


def test_the_widest_strip_fits_the_page(settings, inside):
    figure = draw_ablation_strip(replace(settings, panels=settings.panels * 4))
    assert figure.get_size_inches()[0] == pytest.approx(7)
    assert inside(figure)
    assert np.isfinite(figure.get_size_inches()).all()
