from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from distributions import LEVEL

from segsr.degradation import Pipeline
from segsr.errors import SegSRError
from segsr.seeding import generator


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
    assert np.abs(correlation).max() < 4.5 / math.sqrt(len(columns[0]))


def test_the_mild_recipe_spares_one_sample_in_a_hundred(recipe):
    pipeline = recipe("mild")
    clean = [pipeline.draw(generator(1, i))["clean"] for i in range(2000)]
    assert scipy.stats.binomtest(sum(clean), len(clean), 0.01).pvalue > LEVEL


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Pipeline(clean_prob=2), "clean_prob must be a probability"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
