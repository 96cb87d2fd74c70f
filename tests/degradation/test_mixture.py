"""A mixture gives each sample the recipe it drew, and that recipe's own result."""

import pytest
import torch

from segsr.degradation import Mixture, Noise, Pipeline, Shrink
from segsr.errors import SegSRError
from segsr.seeding import generator

PLAIN = Pipeline()
NOISY = Pipeline(
    {"noise": Noise(gaussian_sigma=[20, 30]), "shrink": Shrink(antialias=True)}, sharpen_hq=True
)


def test_each_sample_goes_through_one_recipe() -> None:
    hq = torch.rand(16, 3, 32, 32)
    mixture = Mixture({"plain": PLAIN, "noisy": NOISY}, {"plain": 3, "noisy": 1})
    sharp, lq = mixture(hq, [generator(i) for i in range(16)])
    plain = [
        bool(torch.equal(a, b)) for a, b in zip(lq, PLAIN(hq, [generator(0)] * 16)[1], strict=True)
    ]
    assert 8 <= sum(plain) <= 15
    assert [bool(torch.equal(a, b)) for a, b in zip(sharp, hq, strict=True)] == plain
    again = mixture(hq[3:9], [generator(i) for i in range(3, 9)])
    torch.testing.assert_close(again[1], lq[3:9], atol=0, rtol=0)


def test_what_is_no_mixture() -> None:
    with pytest.raises(SegSRError, match="at least one"):
        Mixture({})
    with pytest.raises(SegSRError, match="correct the name"):
        Mixture({"plain": PLAIN}, {"other": 1})
