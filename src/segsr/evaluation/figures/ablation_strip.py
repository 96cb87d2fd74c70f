"""What each setting restores and which mask guided it, as in the paper's Figure 6."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from segsr.evaluation.gallery import Example

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_ablation_strip(example: Example) -> Figure:
    """Return the figure: a column for each panel, its image above its mask, the classes below.

    Args:
        example: Its panels are drawn; one without a mask leaves the place of the mask empty.

    Raises:
        SegSRError: The example has no panels, or matplotlib is not installed.
    """
    panels = example.panels
    if not panels:
        raise SegSRError(f"{example.name}: a strip needs at least one method, add it")
    pictures = [photograph(panel.image) for panel in panels]
    masks = [None if panel.mask is None else class_map(panel.mask) for panel in panels]
    present = frozenset().union(*(mask[1] for mask in masks if mask is not None))

    width = min((PAGE + GAP) / len(panels) - GAP, 2.0)
    height = width * max(picture.shape[0] / picture.shape[1] for picture in pictures)
    total = len(panels) * (width + GAP) - GAP
    below = legend_height(present, total)
    figure = new_figure(total, LINE + 2 * height + GAP + GAP + below)
    for i, (panel, picture, mask) in enumerate(zip(panels, pictures, masks, strict=True)):
        left = i * (width + GAP)
        above = place(figure, left, LINE, width, height)
        show(above, picture)
        name(above, panel.label, "above")
        under = place(figure, left, LINE + height + GAP, width, height)
        if mask is None:
            under.text(0.5, 0.5, "no mask", ha="center", va="center", color="0.4", fontsize=8)
            under.set_facecolor("0.95")
        else:
            show(under, mask[0], "nearest")
    add_class_legend(figure, present)
    return figure
