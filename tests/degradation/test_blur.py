from __future__ import annotations

import math

import pytest
import scipy.stats
from distributions import LEVEL, assert_shares, assert_uniform

from segsr.degradation import Blur, SincFilter
from segsr.degradation.blur import ODD_SIZES
from segsr.errors import SegSRError

SHAPES = {
    "isotropic": 0.45,
    "anisotropic": 0.25,
    "generalised_isotropic": 0.12,
    "generalised_anisotropic": 0.03,
    "plateau_isotropic": 0.12,
    "plateau_anisotropic": 0.03,
}


@pytest.mark.parametrize(("stage", "prob"), [("blur1", 1.0), ("blur2", 0.8)])
def test_kernels_are_drawn_in_their_shares(drawn, stage, prob):
    shares = {name: prob * 0.9 * share for name, share in SHAPES.items()}
    shares |= {"sinc": prob * 0.1} | ({"none": 1 - prob} if prob < 1 else {})
    assert_shares([each["kernel"] for each in drawn[stage]], shares)
    there = [each for each in drawn[stage] if each["kernel"] != "none"]
    assert_shares([each["size"] for each in there], dict.fromkeys(ODD_SIZES, 1))


@pytest.mark.parametrize(("stage", "sigma"), [("blur1", (0.2, 3)), ("blur2", (0.2, 1.5))])
def test_kernels_have_the_widths_and_exponents_of_the_recipe(drawn, stage, sigma):
    bells = [each for each in drawn[stage] if "sigma_x" in each]
    round_ones = [each for each in bells if not each["kernel"].endswith("anisotropic")]
    long_ones = [each for each in bells if each["kernel"].endswith("anisotropic")]
    assert all(each["sigma_x"] == each["sigma_y"] for each in round_ones)
    assert_uniform([each["sigma_x"] for each in bells], *sigma)
    assert_uniform([each["sigma_y"] for each in long_ones], *sigma)
    assert_uniform([each["theta"] for each in long_ones], -math.pi, math.pi)
    for shape, low, high in (("generalised", 0.5, 4), ("plateau", 1, 2)):
        betas = [each["beta"] for each in bells if each["kernel"].startswith(shape)]
        above = [beta for beta in betas if beta > 1]
        assert scipy.stats.binomtest(len(above), len(betas)).pvalue > LEVEL
        assert_uniform(above, 1, high)
        if low < 1:
            assert_uniform([beta for beta in betas if beta < 1], low, 1)
        else:  # "from 1 down" to 1
            assert all(beta == 1 for beta in betas if beta not in above)


def test_sinc_filters_have_the_cutoffs_of_the_recipe(drawn):
    first = [each for each in drawn["blur1"] if each["kernel"] == "sinc"]
    assert_uniform([e["cutoff"] for e in first if e["size"] < 13], math.pi / 3, math.pi)
    assert_uniform([e["cutoff"] for e in first if e["size"] >= 13], math.pi / 5, math.pi)
    assert_shares([each["kernel"] for each in drawn["sinc"]], {"sinc": 0.8, "none": 0.2})
    last = [each for each in drawn["sinc"] if each["kernel"] == "sinc"]
    assert_uniform([each["cutoff"] for each in last], math.pi / 3, math.pi)
    assert_shares([each["size"] for each in last], dict.fromkeys(ODD_SIZES, 1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Blur(sigma=(3, 0.2)), "sigma must be two rising numbers"),
        (lambda: Blur(sigma=(1, 2), shapes={"square": 1}), "shapes must be among isotropic"),
        (lambda: Blur(sigma=(1, 2), shapes={}), "got none"),
        (lambda: Blur(sigma=(1, 2), sizes=(8,)), "must be odd"),
        (lambda: Blur(sigma=(1, 2), prob=1.5), "prob must be a probability"),
        (lambda: SincFilter(cutoff=(1, 4)), "cutoff must be two rising numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
