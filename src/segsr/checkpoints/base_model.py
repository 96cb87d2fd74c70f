"""Stable Diffusion's own weights as the start of stage one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from segsr.errors import SegSRError
from segsr.nets.image_denoiser import ImageDenoiser

_REMEDY = (
    "give base_model=FOLDER, a diffusers folder with vae/ and unet/, or base_model=OWNER/NAME, a"
    " hub id that still carries Stable Diffusion 2.1 base (its original address is gone)"
)


def load_vae(base_model: str | Path) -> AutoencoderKL:
    """Return the autoencoder of a Stable Diffusion in diffusers layout.

    Raises:
        SegSRError: If it cannot be had; the message lists the choices.
    """
    return _load(AutoencoderKL, base_model, "vae")


def load_denoiser(base_model: str | Path, **options: Any) -> ImageDenoiser:
    """Return an `ImageDenoiser` on the U-Net of a Stable Diffusion, its SFTs freshly initialised.

    Args:
        base_model: Folder or hub id, in diffusers layout.
        **options: Arguments of `ImageDenoiser` other than `unet`.

    Raises:
        SegSRError: If the U-Net cannot be had; the message lists the choices.
    """
    unet = _load(UNet2DConditionModel, base_model, "unet")
    public = {key: value for key, value in unet.config.items() if not key.startswith("_")}
    denoiser: ImageDenoiser = ImageDenoiser(unet=public, **options)
    denoiser.load_base(unet.state_dict())
    return denoiser


def _load(cls: Any, base_model: str | Path, subfolder: str) -> Any:
    try:
        return cls.from_pretrained(
            str(base_model),
            subfolder=subfolder,
            use_safetensors=True,
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SegSRError(
            f"the base model {str(base_model)!r} has no readable {subfolder} ({reason}): {_REMEDY}."
        ) from error
