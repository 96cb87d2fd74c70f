from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import PAGE, write_figure
from segsr.evaluation.figures.comparison import Box, draw_comparison
from segsr.evaluation.gallery import Example, Panel

BOX = Box(16, 8, 20, 12)


@pytest.fixture
def noisy(tmp_path):
    """HQ and three methods of 64x48 random pixels, one of them half as large, and an LQ image."""
    rng = np.random.default_rng(0)

    def write(name, width, height):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    panels = (
        Panel("first", write("first.png", 64, 48)),
        Panel("half", write("half.png", 32, 24)),
        Panel("third", write("third.png", 64, 48)),
    )
    return Example("noise", write("lq.png", 16, 12), write("hq.png", 64, 48), panels, {})


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_crop_is_the_box_under_its_name(noisy, pictures, inside):
    figure = draw_comparison(noisy, BOX)
    names = [axes.get_xlabel() for axes in figure.axes]
    assert names == ["noise", "LQ", "first", "half", "third", "HQ"]
    whole, lq, first, half, third, hq = pictures(figure)
    rows, columns = slice(8, 20), slice(16, 36)
    np.testing.assert_array_equal(first, pixels(noisy.panels[0].image)[rows, columns])
    np.testing.assert_array_equal(third, pixels(noisy.panels[2].image)[rows, columns])
    np.testing.assert_array_equal(hq, pixels(noisy.hq)[rows, columns])
    repeated = pixels(noisy.lq).repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(whole, repeated)
    np.testing.assert_array_equal(lq, repeated[rows, columns])
    twice = pixels(noisy.panels[1].image).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(half, twice[rows, columns])
    assert inside(figure)


def test_the_box_is_drawn_around_its_pixels(noisy):
    (outline,) = draw_comparison(noisy, BOX).axes[0].patches
    assert outline.get_bbox().bounds == (15.5, 7.5, 20, 12)  # pixel centres are whole numbers


@pytest.mark.parametrize("methods", [1, 2, 7, 12])
@pytest.mark.parametrize("box", [BOX, Box(0, 0, 60, 8), Box(0, 0, 8, 48)])
def test_everything_keeps_its_proportions_on_the_page(noisy, inside, methods, box):
    example = replace(noisy, panels=noisy.panels[:1] * methods)
    figure = draw_comparison(example, box)
    assert figure.get_size_inches()[0] <= PAGE + 1e-6
    whole, *crops = [axes.get_window_extent() for axes in figure.axes]
    assert whole.width / whole.height == pytest.approx(64 / 48)
    for crop in crops:
        assert crop.width / crop.height == pytest.approx(box.width / box.height)
    assert crops[-1].y0 == pytest.approx(whole.y0)  # the photograph is as high as both rows
    assert crops[0].y1 == pytest.approx(whole.y1)
    assert inside(figure)


def test_without_a_truth_the_first_method_gives_the_size(noisy):
    figure = draw_comparison(replace(noisy, hq=None), BOX)
    assert [axes.get_xlabel() for axes in figure.axes][1:] == ["LQ", "first", "half", "third"]


def test_it_becomes_files(noisy, tmp_path):
    files = write_figure(draw_comparison(noisy, BOX), tmp_path / "figure4")
    assert [path.name for path in files] == ["figure4.pdf", "figure4.png"]
    assert all(path.stat().st_size > 1000 for path in files)


@pytest.mark.parametrize(
    "box", [Box(50, 0, 20, 10), Box(0, 40, 9, 9), Box(-1, 0, 5, 5), Box(1, 1, 0, 4)]
)
def test_a_box_outside_is_refused(noisy, box):
    with pytest.raises(SegSRError, match="leaves the 64x48 photograph"):
        draw_comparison(noisy, box)


def test_what_is_missing_is_named(noisy):
    for lacking in (replace(noisy, lq=None), replace(noisy, panels=())):
        with pytest.raises(SegSRError, match="noise: a comparison needs an LQ image"):
            draw_comparison(lacking, BOX)
