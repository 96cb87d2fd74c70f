"""How sure a mean over a test set is: percentile bootstrap over images (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_DRAWS_AT_ONCE = 1_000_000  # bounds the memory: 8 MB of indices


class Interval(NamedTuple):
    """A confidence interval of a mean."""

    low: float
    high: float


class MeanDifference(NamedTuple):
    """The mean of `a - b` over the same images, and its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    generator: np.random.Generator | int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of the mean of `values`.

    Args:
        values: One score per image, any unit.
        level: Probability of the interval, between 0 and 1.
        resamples: How many test sets of the same size are drawn with replacement.
        generator: Where the draws come from: a generator, or a seed for one.

    Raises:
        ValueError: If `values` is not a non-empty list of finite numbers, or `level` is not
            strictly between 0 and 1.
    """
    scores = _scores(values)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}: 0.95 means 95 percent.")
    draw = np.random.default_rng(generator)
    chunk = max(1, _DRAWS_AT_ONCE // len(scores))
    means = np.concatenate(
        [
            scores[
                draw.integers(len(scores), size=(min(chunk, resamples - done), len(scores)))
            ].mean(axis=1)
            for done in range(0, resamples, chunk)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def bootstrap_set(
    values: npt.NDArray[np.float64],
    reduce: Callable[[npt.NDArray[np.float64]], float],
    *,
    other: npt.NDArray[np.float64] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a figure of a whole set, such as mean IoU.

    Args:
        values: One measurement per image (n, ...), such as its confusion matrix.
        reduce: The measurements of a set to its figure.
        other: Another method's measurements of the same images; then the interval is that of the
            difference, this method's figure minus the other's.
        level: Probability of the interval, between 0 and 1.
        resamples: How many test sets of the same size are drawn with replacement.
        seed: Of the draws.

    Raises:
        ValueError: If there is no image, or the two differ in their number.
    """
    if not len(values) or (other is not None and len(other) != len(values)):
        raise ValueError("Measurements must be of the same images, and of one at least.")
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        index = draw.integers(len(values), size=len(values))
        figure = reduce(values[index])
        found.append(figure if other is None else figure - reduce(other[index]))
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def paired_bootstrap(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    generator: np.random.Generator | int = 0,
) -> MeanDifference:
    """Return the mean of `a - b` with its percentile bootstrap interval.

    Pairing matters: images differ far more from each other than methods do on one image. If the
    interval excludes 0, the methods differ at that level.

    Args:
        a: Scores of one method, one per image.
        b: Scores of the other method on the same images in the same order.
        level: Probability of the interval, between 0 and 1.
        resamples: How many test sets of the same size are drawn with replacement.
        generator: Where the draws come from: a generator, or a seed for one.

    Raises:
        ValueError: If the two differ in length, or as `bootstrap_interval` does.
    """
    first, second = _scores(a), _scores(b)
    if len(first) != len(second):
        raise ValueError(
            f"Paired scores must belong to the same images, got {len(first)} and {len(second)}: "
            "evaluate both methods on one list."
        )
    difference = first - second
    interval = bootstrap_interval(difference, level=level, resamples=resamples, generator=generator)
    return MeanDifference(float(difference.mean()), *interval)


def _scores(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return `values` as a checked vector."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError(
            f"Scores must be a non-empty list of finite numbers, one per image; got shape "
            f"{scores.shape} with {int((~np.isfinite(scores)).sum())} not finite."
        )
    return scores
