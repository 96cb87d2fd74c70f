"""Teachers for `OneStep` at the smallest sizes, and a task around them."""

from __future__ import annotations

from typing import Any

import tiny
import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import nn

from segsr.model.image_branch import ImageBranch
from segsr.model.joint import JointModel
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.tasks.one_step import OneStep
from segsr.training.picture_loss import PictureLoss


def stable_diffusion() -> JointModel:
    """A teacher of Stable Diffusion's shape: a VAE, noise prediction, the HQ latent, DDPM."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8],
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        latent_channels=4,
        norm_num_groups=4,
    )
    unet = {**tiny.UNET, "in_channels": 4, "out_channels": 4}
    image = ImageBranch(
        vae,
        ImageController(4, tiny.WIDTH, (8, 16), 1, (1,), heads=2, norm_groups=4),
        ImageDenoiser(unet, guidance_channels=tiny.WIDTH, sft_hidden=8, prompt_tokens=3),
        DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        ),
        steps=200,
    )
    sizes = (tiny.CLASSES, 4, tiny.WIDTH, tiny.WIDTH, (8, 8), (8, 8))
    bridge = DualModalityBridge(*sizes, norm_groups=4)
    for projection in bridge.seg_controller.projections:
        nn.init.normal_(projection.weight, std=0.5)
    return JointModel(image, tiny.mask_branch(), bridge).eval()


def one_step(teacher: JointModel, **options: Any) -> OneStep:
    """A task in training mode that logs nowhere."""
    torch.manual_seed(1)
    task = OneStep(teacher, PictureLoss(l1=0, l2=4.0), **options)
    task.log = lambda *args, **kwargs: None
    return task.train()
