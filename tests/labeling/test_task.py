from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from segsr.errors import SegSRError
from segsr.files.pixels import read_image
from segsr.labeling.base import Labeler, label
from segsr.labeling.task import TaskLabeler
from segsr.samples import samples_folder


@pytest.fixture(scope="module")
def labeler():
    return TaskLabeler()


@pytest.fixture(scope="module")
def street():
    return read_image(samples_folder() / "images" / "friends.jpg")[None] / 255


def test_scores_are_the_networks_probabilities(labeler):
    images = torch.rand(2, 3, 64, 96)
    scores = labeler.scores(images, (64, 96))
    assert isinstance(labeler, Labeler)
    assert torch.equal(scores, labeler.net(images).logits.softmax(dim=1))
    assert scores.shape == (2, 34, 16, 24)
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2, 16, 24))


def test_a_large_photograph_is_labelled_as_its_shrunk_self(labeler, street):
    small = label(labeler, street).masks
    height, width = street.shape[-2:]
    large = F.interpolate(street, (4 * height, 4 * width), mode="bicubic").clamp(0, 1)
    short = TaskLabeler(short_side=min(height, width))
    found = label(short, large, size=(height, width)).masks
    assert (found == small).float().mean() > 0.97
    assert len(small.unique()) > 1


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (33, 31)])
def test_any_size_is_labelled(labeler, size):
    assert label(labeler, torch.rand(1, 3, *size)).masks.shape == (1, *size)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(SegSRError, match="knows 34 classes, but 2 names are given"):
        TaskLabeler(classes=("sky", "sea"))
    with pytest.raises(SegSRError, match="at least 32 pixels, got 8"):
        TaskLabeler(short_side=8)
    with pytest.raises(SegSRError):
        TaskLabeler(tmp_path)
