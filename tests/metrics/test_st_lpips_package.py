"""ST-LPIPS against its own package, where that and its weights are installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage.data
import torch
from torch.nn import functional as F

from segsr.metrics.st_lpips import FILE, StLpips

pytestmark = pytest.mark.slow


def test_ten_pairs():
    pytest.importorskip("torchsummary", reason="the package needs it")
    package = pytest.importorskip("stlpips_pytorch", reason="pip install stlpips-pytorch==0.0.2")
    weights = Path(package.__file__).parent / "weights" / "vST0.0" / FILE
    from stlpips_pytorch.stlpips import LPIPS

    theirs = LPIPS(net="vgg", variant="shift_tolerant", verbose=False).eval()
    photographs = [skimage.data.astronaut(), skimage.data.coffee()[:, :400]]
    draw = torch.Generator().manual_seed(0)
    restored, hq = [], []
    for i in range(10):
        pixels = torch.from_numpy(photographs[i % 2].copy()).permute(2, 0, 1)[None] / 255
        crop = pixels[..., 16 * i : 16 * i + 128, 20 * i : 20 * i + 128]
        small = F.interpolate(crop, scale_factor=1 / (2 + i % 3), mode="area")
        enlarged = F.interpolate(small, crop.shape[-2:], mode="bicubic").clamp(0, 1)
        noise = 0.02 * (i % 4) * torch.randn(crop.shape, generator=draw)
        restored.append((enlarged + noise).clamp(0, 1))
        hq.append(crop)
    pair = {"restored": torch.cat(restored), "hq": torch.cat(hq)}
    with torch.no_grad():
        expected = theirs(pair["restored"] * 2 - 1, pair["hq"] * 2 - 1).flatten()
    found = StLpips(weights)(pair)["st_lpips"]
    assert expected.min() > 0.05
    assert found == pytest.approx(expected, abs=1e-3)
