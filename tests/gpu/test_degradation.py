"""Equal parameters degrade equally on every device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from segsr import degradation
from segsr.degradation import Noise
from segsr.seeding import generator

pytestmark = pytest.mark.gpu

COUNT = 8


@pytest.fixture(scope="module")
def recipe():
    return degradation.recipe("real_esrgan")


@pytest.fixture
def hq(photo):
    crops = photo.unfold(1, 96, 48).unfold(2, 96, 48)  # (3, 4, 4, 96, 96)
    return crops.permute(1, 2, 0, 3, 4).flatten(0, 1)[:COUNT].float() / 255


def drawn(recipe):
    return [recipe.draw(generator("degrade", i)) for i in range(COUNT)]


def test_without_noise_the_device_makes_the_pairs_of_the_cpu(device, recipe, hq) -> None:
    """Rounding (8 bits, JPEG's coefficients) may fall to the other side, on few pixels."""
    silent = {name: s for name, s in recipe.stages.items() if not isinstance(s, Noise)}
    assert len(silent) == len(recipe.stages) - 2
    recipe = replace(recipe, stages=silent)
    pairs = zip(
        recipe.apply(hq.to(device), drawn(recipe)), recipe.apply(hq, drawn(recipe)), strict=True
    )
    for found, expected in pairs:
        assert found.device.type == device.type
        close = (found.cpu() - expected).abs() <= 1.01 / 255
        assert close.float().mean() >= 0.99


def test_a_device_repeats_its_pairs_with_their_noise(device, recipe, hq) -> None:
    first, again = (recipe.apply(hq.to(device), drawn(recipe)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_noise_has_the_strength_of_the_cpus(device, recipe, hq) -> None:
    noise = Noise((20, 20), (1, 1), gaussian_prob=0.5)
    params = [noise.draw(generator("noise", i)) for i in range(COUNT)]
    grey = torch.full_like(hq, 0.5)
    there, here = (
        torch.stack(noise.apply(list(x), params, (24, 24))).std((1, 2, 3)).cpu()
        for x in (grey.to(device), grey)
    )
    torch.testing.assert_close(there, here, rtol=0.05, atol=0)
