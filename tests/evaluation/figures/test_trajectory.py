from dataclasses import replace

import numpy as np
import pytest
import torch

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import write_figure
from segsr.evaluation.figures.trajectory import draw_trajectory
from segsr.inference.restoration import Restoration, RestorationStep
from segsr.palette import PALETTE

CLOCK = (999, 888, 777, 666, 555, 444, 333, 222, 111)


@pytest.fixture
def restoration():
    """Step by step brighter, the mask going from class to class."""
    steps = [
        RestorationStep(t, torch.full((3, 30, 40), i / 10), *[torch.full((30, 40), i)] * 2)
        for i, t in enumerate(CLOCK)
    ]
    return Restoration(steps[-1].image, steps[-1].mask, steps[-1].classes, steps)


def test_steps_at_even_distances_with_the_first_and_the_last(restoration, pictures, inside):
    figure = draw_trajectory(restoration, columns=5)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["t = 999", "t = 777", "t = 555", "t = 333", "t = 111"]
    drawn = pictures(figure)
    images, masks = drawn[0::2], drawn[1::2]
    for image, mask, i in zip(images, masks, (0, 2, 4, 6, 8), strict=True):
        np.testing.assert_array_equal(image, np.full((30, 40, 3), round(255 * i / 10)))
        assert (mask == PALETTE[i]).all()
    assert inside(figure)


def test_images_stand_above_their_masks_in_true_proportion(restoration):
    figure = draw_trajectory(restoration, columns=3)
    boxes = [axes.get_window_extent() for axes in figure.axes]
    for image, mask in zip(boxes[0::2], boxes[1::2], strict=True):
        assert image.y0 > mask.y1
        assert (image.x0, image.x1) == (mask.x0, mask.x1)
        assert image.width / image.height == pytest.approx(40 / 30)
    assert [axes.get_ylabel() for axes in figure.axes[:2]] == ["image", "mask"]


def test_the_legend_names_the_classes_that_are_drawn(restoration, legend):
    figure = draw_trajectory(restoration, columns=3)
    assert legend(figure) == {CLASSES[i]: PALETTE[i] for i in (0, 4, 8)}


def test_fewer_steps_than_columns(restoration):
    short = replace(restoration, trajectory=restoration.trajectory[:2])
    assert len(draw_trajectory(short).axes) == 4


def test_it_becomes_files(restoration, tmp_path):
    assert all(
        path.stat().st_size > 1000
        for path in write_figure(draw_trajectory(restoration), tmp_path / "figure2")
    )


def test_without_steps_it_says_how_to_get_them(restoration):
    with pytest.raises(SegSRError, match="trajectory=True"):
        draw_trajectory(replace(restoration, trajectory=[]))
