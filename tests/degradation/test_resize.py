from __future__ import annotations

import pytest
from distributions import assert_shares, assert_uniform

from segsr.degradation import Resize, Shrink
from segsr.errors import SegSRError


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
    ("make", "sentence"),
    [
        (lambda: Resize((0.5, 1.5), 0.6, 0.6), "must not exceed 1"),
        (lambda: Resize((0.5, 0.9), 0.1, 0.9), "above it to enlarge"),
        (lambda: Resize((0.5, 1.5), 0.1, 0.9, modes=("lanczos",)), "modes must be among"),
        (lambda: Shrink(modes=()), "got none"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
