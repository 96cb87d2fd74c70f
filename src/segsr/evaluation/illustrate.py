"""The photographs of a benchmark as examples for the report and the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from segsr.evaluation.figures.ablation_strip import draw_ablation_strip
from segsr.evaluation.figures.canvas import write_figure
from segsr.evaluation.figures.class_accuracy import draw_class_accuracy
from segsr.evaluation.figures.comparison import Box, draw_comparison
from segsr.evaluation.gallery import Example, Panel
from segsr.evaluation.pairing import PhotoFiles, pair_files
from segsr.evaluation.records import stack
from segsr.evaluation.runner import Result
from segsr.files.pixels import read_image
from segsr.metrics.column import Column, mean

_CROP = 4  # a box's side is that share of the short side
_GRID = 16  # boxes are tried at every 16th of a box


def examples_of(
    results: Sequence[Result], columns: Sequence[Column], count: int
) -> tuple[Example, ...]:
    """Return the first `count` photographs that every method restored.

    Args:
        results: Of all methods on one test set.
        columns: Whose figures of single images are shown.
        count: At most so many.
    """
    found = {
        r.label: {photo.name: photo for photo in pair_files(r.folders).photos} for r in results
    }
    first, *others = found.values()
    shared = [name for name in first if all(name in photos for photos in others)]
    return tuple(_example(name, results, found, columns) for name in shared[:count])


def write_figures(
    folder: Path, examples: Sequence[Example], results: Sequence[Result]
) -> list[Path]:
    """Write the paper's Figures 4 to 6 of `examples`, and bars of each class's accuracy.

    Args:
        folder: Of the figures, PDF and PNG.
        examples: A figure each.
        results: Of all methods, for the bars.
    """
    written: list[Path] = []
    for example in examples:
        if example.lq is not None:
            comparison = draw_comparison(example, most_telling_box(example))
            written += write_figure(comparison, folder / f"{example.name}_comparison")
        if any(panel.mask is not None for panel in example.panels):
            strip = draw_ablation_strip(example)
            written += write_figure(strip, folder / f"{example.name}_masks")
    for field in ("labels", "masks"):
        measured = {
            result.label: stack(result.evaluation.records.values(), field).sum(axis=0)
            for result in results
            if any(field in record.values for record in result.evaluation.records.values())
        }
        if measured:
            bars = draw_class_accuracy({label: _classes_only(m) for label, m in measured.items()})
            written += write_figure(bars, folder / f"class_accuracy_{field}")
    return written


def most_telling_box(example: Example) -> Box:
    """Return the square in which the methods' images differ most from each other."""
    greys = [read_image(panel.image).float().mean(dim=0).numpy() for panel in example.panels]
    alike = [grey for grey in greys if grey.shape == greys[0].shape]
    height, width = greys[0].shape
    side = max(8, min(height, width) // _CROP)
    step = max(1, side // _GRID)
    spread = np.std(alike, axis=0) if len(alike) > 1 else np.abs(alike[0] - alike[0].mean())
    sums = np.pad(spread.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    windows = sliding_window_view(sums, (side + 1, side + 1))[::step, ::step]
    totals = windows[..., -1, -1] - windows[..., 0, -1] - windows[..., -1, 0] + windows[..., 0, 0]
    row, column = np.unravel_index(int(totals.argmax()), totals.shape)
    return Box(int(column) * step, int(row) * step, side, side)


def _classes_only(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A matrix with its open pixels (last column) counted as found wrong."""
    kept = counts[:-1, :-1].copy()
    for i, lost in enumerate(counts[:-1, -1]):
        kept[i, (i + 1) % len(kept)] += lost
    return kept


def _example(
    name: str,
    results: Sequence[Result],
    found: Mapping[str, Mapping[str, PhotoFiles]],
    columns: Sequence[Column],
) -> Example:
    photos = [found[result.label][name] for result in results]
    panels, values = [], {}
    for result, photo in zip(results, photos, strict=True):
        panels.append(Panel(result.label, photo.files["restored"], photo.files.get("mask")))
        record = result.evaluation.records.get(name)
        values[result.label] = {
            column.name: float(record.values[column.field])
            for column in columns
            if record is not None and column.reduce is mean and column.field in record.values
        }
    files = photos[0].files
    return Example(name, files.get("lq"), files.get("hq"), tuple(panels), values)
