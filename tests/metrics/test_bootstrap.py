import numpy as np
import pytest
import scipy.stats

from segsr.metrics.bootstrap import bootstrap_interval, paired_bootstrap


def scores(seed: int, size: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).gamma(3.0, 2.0, size)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_is_that_of_scipy(level: float) -> None:
    values = scores(0)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=level, method="percentile", rng=1
    ).confidence_interval
    ours = bootstrap_interval(values, level=level)
    assert ours == pytest.approx((reference.low, reference.high), abs=0.03)


def test_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 4000)
    error = 1.96 * values.std() / np.sqrt(len(values))
    low, high = bootstrap_interval(values, resamples=2000)
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.01)


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap_interval([0.25] * 7, resamples=100) == (0.25, 0.25)


def test_the_seed_decides_the_draws() -> None:
    values = scores(1)
    seeded = bootstrap_interval(values, generator=3)
    assert seeded == bootstrap_interval(values, generator=np.random.default_rng(3))
    assert seeded != bootstrap_interval(values, generator=4)


def test_pairing_finds_a_small_difference_between_very_different_images() -> None:
    b = scores(2)  # spread 3.5 between images
    a = b + np.random.default_rng(3).normal(0.1, 0.1, len(b))
    difference = paired_bootstrap(a, b)
    assert difference.mean == pytest.approx((a - b).mean())
    assert 0 < difference.low < difference.mean < difference.high < 0.2
    swapped = paired_bootstrap(b, a)
    assert swapped == pytest.approx((-difference.mean, -difference.high, -difference.low))


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0, 2.0]]])
def test_values_that_are_no_list_of_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="non-empty list of finite numbers"):
        bootstrap_interval(values)


def test_a_level_in_percent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1, got 95"):
        bootstrap_interval([1.0, 2.0], level=95.0)


def test_scores_of_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match="got 3 and 2"):
        paired_bootstrap([1.0, 2.0, 3.0], [1.0, 2.0])
