"""One seed, one picture, on whatever device."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from segsr import JointSegSR

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("steps", [1, 4])
def test_the_same_seed_restores_the_same_picture(device, photo, steps) -> None:
    lq = F.interpolate(photo[None, :, :200, :232] / 255, scale_factor=0.25, mode="area")[0]
    model = JointSegSR.from_pretrained("compact")
    options = {"steps": steps, "temperature": 1.0}  # of its own accord it starts without noise
    expected = model.restore(lq, seed=3, **options)
    found = model.to(device).restore(lq, seed=3, **options)
    assert found.image.device.type == device.type
    assert found.image.shape == (3, 200, 232)
    close = (found.image.cpu() - expected.image).abs() <= 1 / 255
    assert close.float().mean() >= 0.99
    assert (found.classes.cpu() == expected.classes).float().mean() >= 0.98
    other = model.restore(lq, seed=4, **options)
    assert not torch.equal(other.image, found.image)
