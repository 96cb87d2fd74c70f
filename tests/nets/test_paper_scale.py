"""The full-size networks on the meta device: the parameter counts of the public systems."""

import pytest
import torch
from torch import nn

from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.seg_prior import SegPrior

SD21 = {
    "sample_size": 64,
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_time_aware_encoder() -> None:
    with torch.device("meta"):
        assert count(ImageController()) == 52_494_080


def test_stable_diffusion_with_sft() -> None:
    with torch.device("meta"):
        denoiser = ImageDenoiser(SD21, prompt_tokens=77)
    sft = sum(p.numel() for p in denoiser.guidance_parameters())
    assert sft == 53_020_160
    assert count(denoiser) - sft == 865_910_724
    blocks = [block.conv2.out_channels for block in denoiser.guided_blocks()]
    assert {c: blocks.count(c) for c in set(blocks)} == {320: 5, 640: 5, 1280: 12}


def test_segformer_b2() -> None:
    b2 = {"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3], "decoder_hidden_size": 768}
    with torch.device("meta"):
        assert count(SegPrior(34, b2)) / 1e6 == pytest.approx(27.37, abs=0.005)
