from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from segsr.degradation.noise import _poisson, add_gaussian_noise, add_poisson_noise
from segsr.seeding import generator


def test_gaussian_noise_has_its_sigma_and_no_structure():
    image = torch.full((3, 400, 400), 0.5)
    noise = add_gaussian_noise(image, 20 / 255, False, generator(0)) - image
    assert float(noise.std()) == pytest.approx(20 / 255, rel=0.02)
    assert scipy.stats.kstest(noise.flatten()[::7] / (20 / 255), "norm").pvalue > 0.01
    correlation = np.corrcoef(noise.flatten(1))
    np.testing.assert_allclose(correlation, np.eye(3), atol=0.01)


@pytest.mark.parametrize("add", [add_gaussian_noise, add_poisson_noise])
def test_grey_noise_is_the_same_in_all_channels(add, photos):
    noise = add(photos[0][0], 0.1, True, generator(0)) - photos[0][0]
    torch.testing.assert_close(noise, noise[:1].expand(3, -1, -1), atol=1e-6, rtol=0)
    assert float(noise.std()) > 0


def test_poisson_noise_has_its_mean_and_variance_at_every_brightness():
    levels = torch.arange(256).repeat_interleave(4000).view(1, 1024, 1000) / 255
    noise = (add_poisson_noise(levels, 1.7, False, generator(0)) - levels).view(256, 4000)
    x = torch.arange(256) / 255
    expected = 1.7**2 * x / 256  # 256 distinct values: peak 256
    z = noise.mean(1)[1:] / (expected[1:] / 4000).sqrt()
    assert float(z.abs().max()) < 4.5
    ratio = noise.var(1)[1:] / expected[1:]
    assert float((ratio - 1).abs().max()) < 0.12  # 5 of its standard errors
    assert float(ratio.mean()) == pytest.approx(1, abs=0.005)
    assert float(noise[0].abs().max()) == 0  # black stays black


@pytest.mark.parametrize(("values", "peak"), [(2, 2), (3, 4), (100, 128), (128, 128), (129, 256)])
def test_the_peak_is_the_power_of_two_at_or_above_the_distinct_values(values, peak):
    image = (torch.arange(values) / 255).repeat(60_000 // values * 5).view(1, 1, -1)
    noise = add_poisson_noise(image, 1.0, False, generator(1)) - image
    assert float((noise**2).sum() / image.sum()) == pytest.approx(1 / peak, rel=0.05)


@pytest.mark.parametrize(("level", "peak"), [(1, 256), (40, 16), (128, 128), (255, 256)])
def test_counts_follow_the_poisson_law(level, peak):
    levels = torch.full((1, 200, 500), level, dtype=torch.int32)
    counts = _poisson(levels, peak, generator(2)).flatten().numpy()
    law = scipy.stats.poisson(level / 255 * peak)
    low, high = law.ppf(1e-3), law.ppf(1 - 1e-3)
    observed = np.bincount(np.clip(counts, low, high).astype(int) - int(low))
    expected = np.diff(law.cdf(np.arange(low, high + 1)), prepend=0)
    expected[-1] += law.sf(high)
    assert scipy.stats.chisquare(observed, expected * len(counts)).pvalue > 1e-3


def test_noise_repeats_with_its_generator(photos):
    image = photos[1][0]
    for add in (add_gaussian_noise, add_poisson_noise):
        assert torch.equal(
            add(image, 0.2, False, generator(3)), add(image, 0.2, False, generator(3))
        )
        assert not torch.equal(
            add(image, 0.2, False, generator(3)), add(image, 0.2, False, generator(4))
        )
