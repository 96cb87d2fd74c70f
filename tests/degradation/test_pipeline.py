from __future__ import annotations

import pytest
import skimage.data
import torch
from torch.nn import functional as F

from segsr.degradation import Bicubic, FirstOrder
from segsr.errors import SegSRError
from segsr.seeding import generator


@pytest.fixture(scope="module")
def hq():
    pixels = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1).float() / 255
    return torch.stack(
        [pixels[:, y : y + 96, x : x + 64] for y, x in ((0, 0), (100, 200), (9, 50))]
    )


def generators(*keys):
    return [generator("test", key) for key in keys]


@pytest.mark.parametrize("degrade", [FirstOrder(), Bicubic()])
def test_lq_is_a_quarter_and_what_a_file_can_hold(hq, degrade):
    lq = degrade(hq, generators(0, 1, 2))
    assert lq.shape == (3, 3, 24, 16)
    assert lq.dtype == torch.float32
    assert lq.min() >= 0
    assert lq.max() <= 1
    torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-4, rtol=0)
    shrunk = F.interpolate(hq, (24, 16), mode="area")
    assert (lq - shrunk).abs().mean() < 0.06  # still the same picture


def test_a_sample_degrades_alike_in_every_batch(hq):
    degrade = FirstOrder()
    together = degrade(hq, generators(0, 1, 2))
    turned = degrade(hq[[2, 0]], generators(2, 0))
    alone = degrade(hq[1:2], generators(1))
    assert torch.equal(together, torch.cat([turned[1:], alone, turned[:1]]))


def test_every_sample_has_parameters_and_noise_of_its_own(hq):
    lq = FirstOrder()(hq[:1].expand(2, -1, -1, -1), generators(0, 1))
    assert not torch.equal(lq[0], lq[1])


def test_the_global_generator_is_left_alone(hq):
    before = torch.get_rng_state()
    FirstOrder()(hq, generators(0, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_stay_in_their_ranges_and_fill_them():
    degrade = FirstOrder(blur_sigma=[0.5, 1], isotropic_prob=0.25, jpeg_quality=[40, 50])
    drawn, modes = zip(*(degrade._draw(generator(i)) for i in range(2000)), strict=True)
    sigma_x, sigma_y, _, noise, grey, quality = torch.tensor(drawn).unbind(1)
    for values, low, high in (
        (sigma_x, 0.5, 1),
        (sigma_y, 0.5, 1),
        (noise, 1 / 255, 15 / 255),
        (quality, 40, 50),
    ):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high >= values.max() > high - 0.01 * (high - low)
    assert abs(float(grey.mean()) - 0.4) < 0.04
    assert abs(float((sigma_x == sigma_y).float().mean()) - 0.25) < 0.04
    for mode in degrade.resize_modes:
        assert abs(modes.count(mode) / 2000 - 1 / 3) < 0.04


@pytest.mark.parametrize("degrade", [FirstOrder(), Bicubic()])
def test_a_side_must_be_a_multiple_of_four(degrade):
    with pytest.raises(SegSRError, match="multiple of 4, got 8x10: crop to 8x8"):
        degrade(torch.zeros(1, 3, 8, 10), generators(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blur_sigma": [2, 1]}, "blur_sigma must be two rising numbers"),
        ({"blur_sigma": [0, 1]}, "blur_sigma"),
        ({"noise_sigma": [1, 15]}, "noise_sigma must be two rising numbers from 0 to 1"),
        ({"jpeg_quality": [60]}, "jpeg_quality"),
        ({"kernel_size": 10}, "kernel_size must be odd, got 10: take 11"),
        ({"resize_modes": []}, "resize_modes is empty"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(SegSRError, match=message):
        FirstOrder(**arguments)
