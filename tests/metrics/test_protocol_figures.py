"""The figures our protocols must give on the RealSR benchmark; needs its pictures on disk.

SEGSR_REALSR: folder with `lr/` (100 PNG of 128 px) and `hr/` (512 px, same stems).
SEGSR_ST_LPIPS: `vgg_shift_tolerant.pth`, see `segsr.metrics.st_lpips`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from segsr.metrics.restoration import restoration_metrics
from segsr.metrics.st_lpips import STLPIPS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SEGSR_REALSR" not in os.environ, reason="SEGSR_REALSR is not set"),
]


def bicubic_pairs(step: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    root = Path(os.environ["SEGSR_REALSR"])
    truths = {path.stem: path for path in (root / "hr").iterdir()}
    for path in sorted((root / "lr").iterdir())[::step]:
        lr = Image.open(path).convert("RGB")
        bicubic = lr.resize((4 * lr.width, 4 * lr.height), Image.Resampling.BICUBIC)
        yield as_batch(bicubic), as_batch(Image.open(truths[path.stem]).convert("RGB"))


def as_batch(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255


def test_psnr_and_ssim_of_bicubic() -> None:
    metrics = restoration_metrics()
    for restored, hq in bicubic_pairs():
        metrics.update(restored, hq)
    scores = metrics.compute()
    assert scores["psnr"].item() == pytest.approx(27.113, abs=5e-4)
    assert scores["ssim"].item() == pytest.approx(0.7555, abs=5e-5)


@pytest.mark.skipif("SEGSR_ST_LPIPS" not in os.environ, reason="SEGSR_ST_LPIPS is not set")
def test_st_lpips_of_bicubic() -> None:
    metric = STLPIPS(os.environ["SEGSR_ST_LPIPS"])
    for restored, hq in bicubic_pairs(step=4):
        metric.update(restored, hq)
    assert metric.compute().item() == pytest.approx(0.4176, abs=5e-5)
