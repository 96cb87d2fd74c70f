from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import scipy.stats
import torch

from segsr.degradation import Blur, EitherOrder, Jpeg, Noise, Pipeline, Resize, Shrink, SincFilter
from segsr.degradation.stages import ODD_SIZES
from segsr.errors import SegSRError
from segsr.seeding import generator

DRAWS = 2000
LEVEL = 1e-3
"""Below this p-value a distribution counts as wrong; the seed is fixed."""


@pytest.fixture(scope="module")
def drawn(recipe):
    """2,000 draws of the strong recipe, by stage; the finish by its parts."""
    pipeline = recipe("real_esrgan")
    samples = [pipeline.draw(generator(0, "distribution", i)) for i in range(DRAWS)]
    stages = {name: [sample[name] for sample in samples] for name in pipeline.stages}
    finish = stages["finish"]
    return stages | {
        "shrink": [each["first"]["shrink"] for each in finish],
        "sinc": [each["first"]["sinc"] for each in finish],
        "jpeg2": [each["second"]["jpeg2"] for each in finish],
    }


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
    ("stage", "low", "high", "up", "down"),
    [("resize1", 0.15, 1.5, 0.2, 0.7), ("resize2", 0.3, 1.2, 0.3, 0.4)],
)
def test_scales_are_drawn_on_their_side_of_one(drawn, stage, low, high, up, down):
    scales = [each["scale"] for each in drawn[stage]]
    directions = ["keep" if s == 1 else "up" if s > 1 else "down" for s in scales]
    assert_shares(directions, {"up": up, "down": down, "keep": 1 - up - down})
    assert_uniform([scale for scale in scales if scale > 1], 1, high)
    assert_uniform([scale for scale in scales if scale < 1], low, 1)


@pytest.mark.parametrize("stage", ["resize1", "resize2", "shrink"])
def test_modes_are_equally_likely(drawn, stage):
    modes = [each["mode"] for each in drawn[stage]]
    assert_shares(modes, {"area": 1, "bilinear": 1, "bicubic": 1})


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
    assert len(set(seeds)) == DRAWS


@pytest.mark.parametrize("stage", ["jpeg1", "jpeg2"])
def test_qualities_are_uniform(drawn, stage):
    assert_uniform([each["quality"] for each in drawn[stage]], 30, 95)


def test_the_last_two_steps_come_in_either_order(drawn):
    assert_shares([each["in_order"] for each in drawn["finish"]], {True: 1, False: 1})


def test_stages_draw_independently(drawn):
    columns = [
        [each["size"] if each["kernel"] != "none" else 0 for each in drawn["blur2"]],
        [each["size"] for each in drawn["blur1"]],
        [each["scale"] for each in drawn["resize1"]],
        [each["noise"] == "gaussian" for each in drawn["noise1"]],
        [each["grey"] for each in drawn["noise1"]],
        [each["quality"] for each in drawn["jpeg1"]],
        [each["scale"] for each in drawn["resize2"]],
        [each["in_order"] for each in drawn["finish"]],
    ]
    correlation = np.corrcoef(np.array(columns, dtype=float)) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4.5 / math.sqrt(DRAWS)


def test_the_mild_recipe_spares_one_sample_in_a_hundred(recipe):
    pipeline = recipe("mild")
    clean = [pipeline.draw(generator(1, i))["clean"] for i in range(DRAWS)]
    assert scipy.stats.binomtest(sum(clean), DRAWS, 0.01).pvalue > LEVEL


def test_either_order_does_what_it_says(photos):
    image = photos[0][0, :, :64, :64]
    stage = EitherOrder({"shrink": Shrink(("area",))}, {"jpeg": Jpeg((20, 20))})
    params = {"first": {"shrink": {"mode": "area"}}, "second": {"jpeg": {"quality": 20}}}
    shrink, jpeg = stage.first["shrink"], stage.second["jpeg"]
    size = (16, 16)
    a, b = stage.apply(
        [image, image], [params | {"in_order": True}, params | {"in_order": False}], size
    )
    drawn_shrink, drawn_jpeg = [{"mode": "area"}], [{"quality": 20}]
    first = jpeg.apply(shrink.apply([image], drawn_shrink, size), drawn_jpeg, size)
    second = shrink.apply(jpeg.apply([image], drawn_jpeg, size), drawn_shrink, size)
    assert torch.equal(a, first[0])
    assert torch.equal(b, second[0])
    assert not torch.allclose(a, b, atol=1e-2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Blur(sigma=(3, 0.2)), "sigma must be two rising numbers"),
        (lambda: Blur(sigma=(1, 2), shapes={"square": 1}), "shapes must be among isotropic"),
        (lambda: Blur(sigma=(1, 2), shapes={}), "got none"),
        (lambda: Blur(sigma=(1, 2), sizes=(8,)), "must be odd"),
        (lambda: Blur(sigma=(1, 2), prob=1.5), "prob must be a probability"),
        (lambda: SincFilter(cutoff=(1, 4)), "cutoff must be two rising numbers"),
        (lambda: Resize((0.5, 1.5), 0.6, 0.6), "must not exceed 1"),
        (lambda: Resize((0.5, 0.9), 0.1, 0.9), "above it to enlarge"),
        (lambda: Resize((0.5, 1.5), 0.1, 0.9, modes=("lanczos",)), "modes must be among"),
        (lambda: Shrink(modes=()), "got none"),
        (lambda: Noise((0, 300)), "gaussian_sigma must be two rising numbers"),
        (lambda: Jpeg((0, 50)), "quality must be two rising numbers from 1 to 100"),
        (lambda: EitherOrder({}, {}, prob=-1), "prob must be a probability"),
        (lambda: Pipeline(clean_prob=2), "clean_prob must be a probability"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
