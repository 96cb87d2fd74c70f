"""Bars of the accuracy of every class, by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import PAGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f")
"""Okabe and Ito's, which the colour-blind can tell apart, strongest first."""

_HATCHES = ("", "////", "....")
"""A round of colours each."""

_HANDLE, _CHARACTER = 0.6, 0.062
"""Inches that a legend takes for a colour with its spaces and for a character."""


def accuracy_per_class(confusion: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the share of each class's true pixels that are found, nan for a class without any.

    Args:
        confusion: Pixel counts (c, c), true class by row and predicted class by column.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    true = counts.sum(axis=1)
    accuracy = np.full(len(true), np.nan)
    np.divide(counts.diagonal(), true, out=accuracy, where=true > 0)
    return accuracy


def draw_class_accuracy(
    confusions: Mapping[str, npt.ArrayLike], classes: Sequence[str] = CLASSES
) -> Figure:
    """Return the figure: a group of bars for each class that is true somewhere, in percent.

    The commonest class stands first; the legend gives each method's mean over its classes.

    Args:
        confusions: Pixel counts (c, c) by method, true class by row.
        classes: The c names.

    Raises:
        SegSRError: There is no method, a matrix has another size, all are empty, or matplotlib is
            not installed.
    """
    matrices = {label: np.asarray(counts) for label, counts in confusions.items()}
    for label, matrix in matrices.items():
        if matrix.shape != (len(classes), len(classes)):
            raise SegSRError(
                f"{label}: the confusion matrix is {'x'.join(map(str, matrix.shape))}, but there "
                f"are {len(classes)} classes: hand in one row and one column for each"
            )
    true = sum((m.sum(axis=1) for m in matrices.values()), np.zeros(len(classes)))
    order = [int(i) for i in np.argsort(-true, kind="stable") if true[i] > 0]
    if not order:
        raise SegSRError("no class has a true pixel, so no accuracy: hand in masks with labels")

    width = min(PAGE, 1.5 + 0.15 * len(order) * len(matrices))
    figure = new_figure(width, 2.6, "constrained")
    bar = 0.8 / len(matrices)
    with styled():
        axes = figure.subplots()
        for i, (label, matrix) in enumerate(matrices.items()):
            percent = 100 * accuracy_per_class(matrix)[order]
            axes.bar(
                np.arange(len(order)) + (i - (len(matrices) - 1) / 2) * bar,
                percent,
                bar,
                color=_COLOURS[i % len(_COLOURS)],
                hatch=_HATCHES[i // len(_COLOURS) % len(_HATCHES)],
                label=f"{label}, mean {np.nanmean(percent):.1f}" if any(percent >= 0) else label,
            )
        axes.set_xticks(range(len(order)), [classes[i] for i in order])
        axes.set(ylim=(0, 100), xlim=(-0.6, len(order) - 0.4), ylabel="accuracy (%)")
        if len(order) > 7:
            axes.tick_params("x", rotation=45)
            for text in axes.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
        axes.tick_params("x", length=0)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        longest = max(len(str(bars.get_label())) for bars in axes.containers)
        figure.legend(
            loc="outside upper center",
            ncols=max(1, int(width / (_HANDLE + longest * _CHARACTER))),
            frameon=False,
        )
    return figure
