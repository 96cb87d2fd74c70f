"""Image and mask by step of the reverse process, as in the paper's Figure 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import (
    GAP,
    LINE,
    PAGE,
    add_class_legend,
    legend_height,
    name,
    new_figure,
    place,
    show,
)
from segsr.evaluation.figures.pixels import class_map, photograph
from segsr.inference.restoration import Restoration

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_trajectory(restoration: Restoration, columns: int = 6) -> Figure:
    """Return the figure: what some steps predict, noisiest first, each image above its mask.

    Args:
        restoration: One that was asked for its trajectory.
        columns: Steps to show at most, at even distances; the first and the last are among them.

    Raises:
        SegSRError: The restoration holds no trajectory, or matplotlib is not installed.
    """
    steps = restoration.trajectory
    if not steps:
        raise SegSRError("the restoration holds no steps to draw: restore with trajectory=True")
    chosen = np.linspace(0, len(steps) - 1, min(columns, len(steps))).round().astype(int)
    shown = [steps[i] for i in chosen]
    masks = [class_map(step.mask) for step in shown]
    present = frozenset().union(*(classes for _, classes in masks))

    side = LINE  # room for the names of the rows
    width = min((PAGE - side + GAP) / len(shown) - GAP, 2.0)
    height = width * shown[0].image.shape[1] / shown[0].image.shape[2]
    total = side + len(shown) * (width + GAP) - GAP
    below = legend_height(present, total)
    figure = new_figure(total, LINE + 2 * height + GAP + GAP + below)
    for i, (step, (mask, _)) in enumerate(zip(shown, masks, strict=True)):
        left = side + i * (width + GAP)
        above = place(figure, left, LINE, width, height)
        show(above, photograph(step.image))
        name(above, f"t = {step.t}", "above")
        under = place(figure, left, LINE + height + GAP, width, height)
        show(under, mask, "nearest")
        if i == 0:
            name(above, "image", "left")
            name(under, "mask", "left")
    add_class_legend(figure, present)
    return figure
