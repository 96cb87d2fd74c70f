"""Tests of what was drawn against the law it should follow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import scipy.stats

LEVEL = 1e-3
"""Below this p-value a distribution counts as wrong; the seed is fixed."""


def assert_shares(values, shares):
    """Chi-square test of how often each value was drawn."""
    counts = Counter(values)
    assert set(counts) <= set(shares)
    observed = [counts[value] for value in shares]
    expected = np.array(list(shares.values())) / sum(shares.values()) * len(values)
    assert scipy.stats.chisquare(observed, expected).pvalue > LEVEL


def assert_uniform(values, low, high):
    """Kolmogorov-Smirnov test against the uniform distribution from low to high."""
    assert low <= min(values)
    assert max(values) <= high
    assert scipy.stats.kstest(values, "uniform", (low, high - low)).pvalue > LEVEL
