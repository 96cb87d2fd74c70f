"""An empty figure, places on it in inches, the legend of classes, and the files of a figure."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.palette import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = 7.0
"""Inches of a figure over both columns of a page."""

GAP = 0.05
"""Inches between the images of a row."""

LINE = 0.16
"""Inches of a line of text."""

_DPI = 300
_TEXT = 8  # points
_GLYPH = 0.6  # mean width of a character over its size
_LOOK: dict[str, Any] = {
    "font.size": _TEXT,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType: text stays text, as publishers ask
}
_LEGEND_COLUMN = 1.0  # inches of the longest class name with its colour


def styled() -> AbstractContextManager[None]:
    """Return the context in which text and lines are added to a figure."""
    import matplotlib

    return matplotlib.rc_context(_LOOK)  # type: ignore[arg-type]


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """Return an empty figure; no state of pyplot is touched.

    Args:
        width: In inches.
        height: In inches.
        layout: "constrained" leaves the places of axes to matplotlib, None to `place`.

    Raises:
        SegSRError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SegSRError(
            "figures need matplotlib, which is not installed: pip install 'segsr[report]'"
        ) from error
    with styled():
        return Figure(figsize=(width, height), layout=layout)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return new axes without ticks, at inches from the figure's upper left corner."""
    full_width, full_height = figure.get_size_inches()
    bottom = full_height - top - height
    with styled():
        axes = figure.add_axes(
            (left / full_width, bottom / full_height, width / full_width, height / full_height)
        )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def show(
    axes: Axes,
    picture: npt.NDArray[np.uint8],
    interpolation: Literal["none", "nearest"] = "none",
) -> None:
    """Draw a picture (H, W, 3) over the whole of `axes`.

    Args:
        axes: From `place`.
        picture: RGB.
        interpolation: "nearest" for masks: a pixel of the PNG has no colour between two classes.
    """
    axes.imshow(picture, aspect="auto", interpolation=interpolation)


def name(axes: Axes, text: str, where: Literal["above", "below", "left"]) -> None:
    """Write a name beside `axes`, smaller if it is longer than they are wide."""
    box = axes.get_window_extent()
    room = (box.height if where == "left" else box.width) / axes.figure.dpi
    size = min(_TEXT, 72 * room / (_GLYPH * max(len(text), 1)))
    with styled():
        if where == "above":
            axes.set_title(text, pad=3, fontsize=size)
        elif where == "below":
            axes.set_xlabel(text, labelpad=3, fontsize=size)
        else:
            axes.set_ylabel(text, labelpad=3, fontsize=size)


def legend_height(classes: Iterable[int], width: float) -> float:
    """Return the inches that `add_class_legend` takes below a figure of a width."""
    count = len(set(classes))
    return LINE * -(-count // _legend_columns(width)) if count else 0.0


def add_class_legend(figure: Figure, classes: Iterable[int]) -> None:
    """Name the colours of `classes` along the lower edge of the figure."""
    from matplotlib.patches import Patch

    patches = [
        Patch(
            facecolor=(PALETTE[i][0] / 255, PALETTE[i][1] / 255, PALETTE[i][2] / 255),
            edgecolor="0.4",
            linewidth=0.4,
            label=name,
        )
        for i, name in enumerate(CLASSES)
        if i in set(classes)
    ]
    if not patches:
        return
    with styled():
        figure.legend(
            handles=patches,
            loc="lower center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=min(len(patches), _legend_columns(figure.get_size_inches()[0])),
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            labelspacing=0.3,
            handlelength=1,
            handleheight=1,
            handletextpad=0.4,
            columnspacing=1.2,
        )


def write_figure(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write `stem`.pdf and `stem`.png, each whole or not at all, and return their paths.

    The PDF holds lines and text as vectors and images with all their pixels; the PNG has 300 dots
    an inch. Neither holds a date: the same figure makes the same bytes.

    Raises:
        SegSRError: The files cannot be written.
    """
    from matplotlib.image import AxesImage

    pdf, png = (stem.with_name(f"{stem.name}.{kind}") for kind in ("pdf", "png"))
    with styled():
        write_atomic(pdf, _encode(figure, "pdf", {"CreationDate": None}))
        images = [
            image for image in figure.findobj(AxesImage) if image.get_interpolation() == "none"
        ]
        try:
            for image in images:
                image.set_interpolation("auto")  # "none" would drop pixels where it shrinks
            write_atomic(png, _encode(figure, "png", {"Software": None}))
        finally:
            for image in images:
                image.set_interpolation("none")
    return pdf, png


def _legend_columns(width: float) -> int:
    return max(1, int(width / _LEGEND_COLUMN))


def _encode(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
