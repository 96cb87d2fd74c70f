from __future__ import annotations

import pytest
from distributions import assert_shares, assert_uniform

from segsr.degradation import Noise
from segsr.errors import SegSRError


@pytest.mark.parametrize(
    ("stage", "sigma", "scale"),
    [("noise1", (1, 30), (0.05, 3)), ("noise2", (1, 25), (0.05, 2.5))],
)
def test_noise_is_drawn_as_the_recipe_says(drawn, stage, sigma, scale):
    kinds = [each["noise"] for each in drawn[stage]]
    assert_shares(kinds, {"gaussian": 0.5, "poisson": 0.5})
    assert_shares([each["grey"] for each in drawn[stage]], {True: 0.4, False: 0.6})
    sigmas = [each["sigma"] * 255 for each in drawn[stage] if each["noise"] == "gaussian"]
    assert_uniform(sigmas, *sigma)
    scales = [each["scale"] for each in drawn[stage] if each["noise"] == "poisson"]
    assert_uniform(scales, *scale)
    seeds = [each["seed"] for each in drawn[stage]]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Noise((0, 300)), "gaussian_sigma must be two rising numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
