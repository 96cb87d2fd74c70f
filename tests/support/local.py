"""The tiny networks, strictly local: per-pixel norms and no attention."""

from __future__ import annotations

import tiny
import torch
from torch import nn

from segsr.model.image_branch import ImageBranch
from segsr.model.joint import JointModel
from segsr.model.mask_branch import MaskBranch
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.seg_denoiser import SegDenoiser

MARGIN = 64
"""Cells of the latent grid beyond which nothing reaches."""
UNET = {
    **tiny.UNET,
    "down_block_types": ["DownBlock2D"] * 2,
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ["UpBlock2D"] * 2,
    "in_channels": 2 * tiny.LATENTS,
    "layers_per_block": [1, 2],
}
del UNET["cross_attention_dim"], UNET["attention_head_dim"]
PIXEL = {"norm_groups": 4, "norm_type": "pixel"}


def image_branch() -> ImageBranch:
    torch.manual_seed(0)
    controller = ImageController(tiny.LATENTS, tiny.WIDTH, (8, 16), 1, (), **PIXEL)
    denoiser = ImageDenoiser(UNET, guidance_channels=tiny.WIDTH, sft_hidden=8, norm_type="pixel")
    return ImageBranch(
        PatchAutoencoder(4, tiny.LATENTS),
        controller,
        denoiser,
        tiny.scheduler(),
        residual_scale=0.25,
        concat_lq=True,
    ).eval()


def seg_denoiser() -> SegDenoiser:
    return SegDenoiser(tiny.CLASSES, 8, tiny.WIDTH, (8, 16), 1, (), 4, **PIXEL)


def bridge() -> DualModalityBridge:
    """As after some training, with projections that are not zero."""
    sizes = tiny.CLASSES, tiny.LATENTS, tiny.WIDTH, tiny.WIDTH
    net = DualModalityBridge(*sizes, (8, 8), (8, 8), **PIXEL)
    for encoder in (net.seg_controller, net.image_aid):
        for projection in encoder.projections:
            nn.init.normal_(projection.weight, std=0.5)
    return net


def joint() -> JointModel:
    """Local but for the prior, which is read before there are tiles."""
    image = image_branch()
    return JointModel(image, MaskBranch(tiny.prior(), seg_denoiser(), factor=4), bridge()).eval()
