"""Readers of what a figure shows."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def pictures():
    """The drawn pictures (H, W, 3), axes by axes, in the order they were added."""

    def pictures(figure):
        images = [axes.images[0] for axes in figure.axes if axes.images]
        return [np.asarray(image.get_array()) for image in images]

    return pictures


@pytest.fixture
def legend():
    """The names and colours (0 to 255) of the figure's only legend."""

    def legend(figure):
        (found,) = figure.legends
        patches = found.get_patches()
        colours = [
            tuple(round(255 * float(x)) for x in patch.get_facecolor()[:3]) for patch in patches
        ]
        return dict(zip([text.get_text() for text in found.get_texts()], colours, strict=True))

    return legend


@pytest.fixture
def inside():
    """Whether all axes, names and legends lie on the figure and no two axes overlap."""

    def inside(figure):
        figure.draw_without_rendering()
        page = figure.bbox
        extents = [axes.get_tightbbox() for axes in figure.axes]
        extents += [legend.get_window_extent() for legend in figure.legends]
        on_page = all(
            box.x0 >= page.x0 - 1
            and box.y0 >= page.y0 - 1
            and box.x1 <= page.x1 + 1
            and box.y1 <= page.y1 + 1
            for box in extents
        )
        apart = not any(
            min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
            for i, a in enumerate(extents)
            for b in extents[:i]
        )
        return on_page and apart

    return inside
