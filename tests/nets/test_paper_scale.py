"""The full-size networks on the meta device: the parameter counts of the public systems."""

import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import nn

from segsr.model.image_branch import ImageBranch
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.seg_prior import SegPrior
from segsr.tasks.srdm import SRDM

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
    assert len(list(denoiser.guided_blocks())) == 22
    blocks = [block.conv2.out_channels for block in denoiser.guided_blocks()]
    assert {c: blocks.count(c) for c in set(blocks)} == {320: 5, 640: 5, 1280: 12}


def test_what_stage_one_trains() -> None:
    with torch.device("meta"):
        branch = ImageBranch(
            AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
            ),
            ImageController(),
            ImageDenoiser(SD21, prompt_tokens=77),
            DDPMScheduler(beta_schedule="scaled_linear"),
            cfw=ControllableDecoder(),
        )
        model = SRDM(branch)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 105_514_240
    assert count(branch.autoencoder.codec) == 83_653_863
    assert count(branch.autoencoder.cfw) == 44_393_728


def test_controllable_decoder() -> None:
    with torch.device("meta"):
        cfw = ControllableDecoder()
    assert [count(fusion) for fusion in cfw.fusions] == [33_897_728, 10_496_000]
    assert count(cfw) == 44_393_728


def test_segformer_b2() -> None:
    b2 = {"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3], "decoder_hidden_size": 768}
    with torch.device("meta"):
        assert count(SegPrior(34, b2)) / 1e6 == pytest.approx(27.37, abs=0.005)
