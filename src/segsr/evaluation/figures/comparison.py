"""One photograph by several methods with enlarged crops, as in the paper's Figures 4 and 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import GAP, LINE, PAGE, name, new_figure, place, show
from segsr.evaluation.figures.pixels import Picture, enlarge, photograph
from segsr.evaluation.gallery import Example

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

_BOX_COLOUR = "#e4002b"
_ROWS = 2
_WIDEST = 1.5  # inches of a crop


class Box(NamedTuple):
    """A rectangle of the full-size photograph, in pixels.

    Attributes:
        left: First column.
        top: First row.
        width: Columns.
        height: Rows.
    """

    left: int
    top: int
    width: int
    height: int


def draw_comparison(example: Example, box: Box) -> Figure:
    """Return the figure: the LQ photograph with the box, and beside it the box by every method.

    The crops stand in two rows, LQ first and HQ last, each over its name. Images of other sizes
    are cropped at the same place; LQ is enlarged with nearest neighbour.

    Args:
        example: It must have an LQ image and at least one method.
        box: In pixels of the HQ image; without one, of the first method's.

    Raises:
        SegSRError: The example lacks what is drawn, the box lies outside, or matplotlib is not
            installed.
    """
    if example.lq is None or not example.panels:
        raise SegSRError(
            f"{example.name}: a comparison needs an LQ image and at least one method, add them"
        )
    full = photograph(example.hq or example.panels[0].image)
    size = (full.shape[1], full.shape[0])
    _check(example.name, box, size)
    lq = photograph(example.lq)
    crops = [("LQ", _crop(enlarge(lq, size), box, size))]
    crops += [(p.label, _crop(photograph(p.image), box, size)) for p in example.panels]
    if example.hq is not None:
        crops.append(("HQ", _crop(full, box, size)))

    columns = -(-len(crops) // _ROWS)
    # the photograph is as high as both rows of crops and what is between; together they fill the
    # page: ratio * tall + columns * (width + GAP) = PAGE, tall = _ROWS * height + between
    ratio, crop_ratio = size[0] / size[1], box.height / box.width
    between = (_ROWS - 1) * (LINE + GAP)
    fitting = (PAGE - columns * GAP - ratio * between) / (columns + ratio * _ROWS * crop_ratio)
    width = min(fitting, _WIDEST)
    height = width * crop_ratio
    tall = _ROWS * height + between
    figure = new_figure(ratio * tall + columns * (width + GAP), tall + LINE + GAP)
    whole = place(figure, 0.0, 0.0, ratio * tall, tall)
    show(whole, enlarge(lq, size))
    whole.add_patch(_outline(box))
    name(whole, example.name, "below")
    for i, (label, picture) in enumerate(crops):
        row, column = divmod(i, columns)
        left = ratio * tall + GAP + column * (width + GAP)
        axes = place(figure, left, row * (height + LINE + GAP), width, height)
        show(axes, picture)
        name(axes, label, "below")
    return figure


def _check(photo: str, box: Box, size: tuple[int, int]) -> None:
    inside = box.left >= 0 and box.top >= 0 and box.width > 0 and box.height > 0
    if not inside or box.left + box.width > size[0] or box.top + box.height > size[1]:
        raise SegSRError(
            f"{photo}: the box {tuple(box)} (left, top, width, height) leaves the "
            f"{size[0]}x{size[1]} photograph: move it inside"
        )


def _crop(picture: Picture, box: Box, size: tuple[int, int]) -> Picture:
    """Cut the box out of a picture that may have another size than the box is meant for."""
    if picture.shape[:2] != (size[1], size[0]):
        picture = enlarge(picture, size)
    return picture[box.top : box.top + box.height, box.left : box.left + box.width]


def _outline(box: Box) -> Rectangle:
    from matplotlib.patches import Rectangle

    corner = (box.left - 0.5, box.top - 0.5)  # where the first pixel begins
    return Rectangle(corner, box.width, box.height, fill=False, color=_BOX_COLOUR, linewidth=1.2)
