"""The library's own classes at the smallest sizes that still have every part."""

from __future__ import annotations

import os
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import nn

from segsr.batch import Batch
from segsr.model.image_branch import ImageBranch
from segsr.model.mask_branch import MaskBranch
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.seg_denoiser import SegDenoiser
from segsr.nets.seg_prior import SegPrior
from segsr.seeding import generator
from segsr.tasks.joint import JointSegSR
from segsr.tasks.segdm import SegDM
from segsr.tasks.srdm import SRDM

CLASSES = 34
LATENTS = 12
WIDTH = 8
UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": LATENTS,
    "out_channels": LATENTS,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 8,
    "attention_head_dim": 4,
}


def controller() -> ImageController:
    return ImageController(LATENTS, WIDTH, (8, 16), 1, (1,), heads=2, norm_groups=4)


def denoiser() -> ImageDenoiser:
    return ImageDenoiser(UNET, guidance_channels=WIDTH, sft_hidden=8, prompt_tokens=3)


def prior() -> SegPrior:
    sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "decoder_hidden_size": 8}
    return SegPrior(CLASSES, {**sizes, "num_attention_heads": [1, 1, 2, 2]})


def seg_denoiser() -> SegDenoiser:
    return SegDenoiser(CLASSES, 8, WIDTH, (8, 16), 1, (), 4, norm_groups=4)


def bridge(awake: bool = False) -> DualModalityBridge:
    """A bridge; `awake` as after some training, with projections that are not zero."""
    net = DualModalityBridge(CLASSES, LATENTS, WIDTH, WIDTH, (8, 8), (8, 8), norm_groups=4)
    if awake:
        wake(net)
    return net


def wake(net: DualModalityBridge) -> None:
    """Give a bridge projections that are not zero."""
    for encoder in (net.seg_controller, net.image_aid):
        for projection in encoder.projections:
            nn.init.normal_(projection.weight, std=0.5)


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )


def image_branch(**options: Any) -> ImageBranch:
    networks = PatchAutoencoder(4, LATENTS), controller(), denoiser()
    return ImageBranch(*networks, scheduler(), **{"residual_scale": 0.25, "steps": 2, **options})


def mask_branch(**options: Any) -> MaskBranch:
    return MaskBranch(prior(), seg_denoiser(), **{"factor": 4, "steps": 2, **options})


def srdm(**options: Any) -> SRDM:
    return SRDM(image_branch(), **{"train_denoiser": True, **options})


def segdm(**options: Any) -> SegDM:
    return SegDM(mask_branch(), **options)


def joint(seed: int = 0, awake: bool = True, **options: Any) -> JointSegSR:
    torch.manual_seed(seed)
    model = JointSegSR(srdm(), segdm(), bridge(awake), **options)
    return model


def batch(size: int = 2, side: int = 64) -> Batch:
    g = generator("batch", size, side)
    masks = torch.randint(CLASSES, (size, side, side), generator=g)
    masks[:, : side // 4] = 255
    return {
        "hq": torch.rand(size, 3, side, side, generator=g),
        "lq": torch.rand(size, 3, side // 4, side // 4, generator=g),
        "mask": masks,
        "name": [f"photo_{i}.jpg" for i in range(size)],
    }


def die(*arguments: Any) -> None:
    """Ends the process as a lack of memory would."""
    os.abort()
