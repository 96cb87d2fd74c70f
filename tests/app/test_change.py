"""What is said of a painted mask comes from the pictures."""

import numpy as np
import pytest

from segsr.app.change import change

BEFORE = np.full((8, 8, 3), 100, np.uint8)
FOUND = np.zeros((8, 8), np.int64)
HELD = np.array([[3, 255], [255, 255]])


def test_differences_inside_and_outside():
    after = BEFORE.copy()
    after[:4, :4] += 10
    after[4:, 4:, 0] -= 3
    seen = change(BEFORE, after, HELD, FOUND)
    assert seen.inside == 10
    assert seen.outside == pytest.approx(1 / 3)
    assert "changed by 10.00 of 255 on average; elsewhere by 0.33" in seen.sentence


def test_a_model_that_does_not_follow_is_named_so():
    assert "does not follow the mask yet" in change(BEFORE, BEFORE, HELD, FOUND).sentence


def test_a_model_that_saw_the_same_is_not():
    seen = change(BEFORE, BEFORE, HELD, np.full((8, 8), 3))
    assert "the same classes" in seen.sentence


def test_everything_painted_leaves_nothing_outside():
    assert change(BEFORE, BEFORE, np.zeros((2, 2), np.int64), FOUND).outside == 0
