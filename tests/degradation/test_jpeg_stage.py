from __future__ import annotations

import pytest
from distributions import assert_uniform

from segsr.degradation import Jpeg
from segsr.errors import SegSRError


@pytest.mark.parametrize("stage", ["jpeg1", "jpeg2"])
def test_qualities_are_uniform(drawn, stage):
    assert_uniform([each["quality"] for each in drawn[stage]], 30, 95)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Jpeg((0, 50)), "quality must be two rising numbers from 1 to 100"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
