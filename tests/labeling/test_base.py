from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX
from segsr.labeling import base
from segsr.labeling.base import Labeler, label, resize_short_side


class Fixed(Labeler):
    """A labeler of given scores, which it resizes."""

    def __init__(self, scores):
        super().__init__("abc")
        self.given = scores
        self.asked = []

    def scores(self, images, size):
        self.asked.append(size)
        return F.interpolate(self.given, size, mode="bilinear")


def test_a_labeler_without_scores_cannot_be_made():
    class Blind(Labeler):
        pass

    with pytest.raises(TypeError, match="scores"):
        Blind(("sky",))


def test_the_best_class_wins_above_the_threshold():
    scores = torch.tensor([[0.1, 0.2, 0.0], [0.6, 0.3, 0.0]])[None, :, None]  # 1 x 3 pixels
    labeler = Fixed(scores)
    labels = label(labeler, torch.zeros(1, 3, 1, 3))
    assert labels.masks.tolist() == [[[1, 1, IGNORE_INDEX]]]  # nothing speaks for any class
    assert torch.equal(labels.confidence, scores.max(1).values)
    unsure = label(labeler, torch.zeros(1, 3, 1, 3), threshold=0.5)
    assert unsure.masks.tolist() == [[[1, IGNORE_INDEX, IGNORE_INDEX]]]


@pytest.mark.parametrize("size", [(50, 70), (33, 128), (128, 5), (97, 64)])
def test_scores_of_large_photographs_are_enlarged_in_pieces(monkeypatch, size):
    monkeypatch.setattr(base, "LARGEST", 600)
    monkeypatch.setattr(base, "PIECE", 600)
    torch.manual_seed(0)
    labeler = Fixed(torch.rand(2, 3, 9, 7))
    labels = label(labeler, torch.zeros(2, 3, *size))
    (asked,) = labeler.asked
    assert asked[0] * asked[1] <= 640
    assert asked[0] / size[0] == pytest.approx(asked[1] / size[1], rel=0.2)
    whole = F.interpolate(labeler.scores(torch.zeros(0), asked), size, mode="bilinear")
    best = whole.max(dim=1)
    assert torch.allclose(labels.confidence, best.values, atol=1e-6)
    assert (labels.masks == best.indices).float().mean() > 0.999


@pytest.mark.parametrize("grid", [(5, 9), (1, 1), (40, 30), (12, 7)])
def test_a_coarse_grid_is_interpolated(monkeypatch, grid):
    monkeypatch.setattr(base, "PIECE", 70)
    scores = torch.rand(2, 3, *grid)
    labeler = Fixed(scores)
    labeler.scores = lambda images, size: scores
    labels = label(labeler, torch.zeros(2, 3, 40, 30))
    best = F.interpolate(scores, (40, 30), mode="bilinear").max(dim=1)
    assert torch.allclose(labels.confidence, best.values, atol=1e-6)
    assert (labels.masks == best.indices).float().mean() > 0.999


def test_classes_that_cannot_win_are_left_out_and_no_others():
    torch.manual_seed(0)
    for _ in range(20):  # some classes are weak everywhere, one is second best everywhere
        scores = torch.rand(1, 12, 6, 5) ** 3 * torch.rand(12).view(-1, 1, 1)
        scores[:, 3] = 0.9 * scores.amax(dim=1)
        labeler = Fixed(scores)
        labeler.scores = lambda images, size, scores=scores: scores
        best = F.interpolate(scores, (60, 45), mode="bilinear").max(dim=1)
        labels = label(labeler, torch.zeros(1, 3, 60, 45))
        assert torch.allclose(labels.confidence, best.values, atol=1e-6)
        assert (labels.masks == best.indices).float().mean() > 0.999
    kept = base._possible(torch.tensor([[[0.8, 0.4]], [[0.2, 0.5]], [[0.11, 0.0]], [[0.13, 0.1]]]))
    assert kept.tolist() == [0, 1, 3]


def test_a_labeler_is_asked_for_what_is_of_use():
    labeler = Fixed(torch.rand(1, 3, 4, 4))
    label(labeler, torch.zeros(1, 3, 1024, 2048))
    label(labeler, torch.zeros(1, 3, 10, 10), size=(20, 30))
    assert labeler.asked == [(1024, 2048), (20, 30)]


def test_the_short_side_is_resized_and_rounded():
    images = torch.rand(1, 3, 40, 64)
    assert resize_short_side(images, 20).shape == (1, 3, 20, 32)
    assert resize_short_side(images, 95, 32).shape == (1, 3, 96, 160)  # of 95 x 152
    assert resize_short_side(images, 40) is images
