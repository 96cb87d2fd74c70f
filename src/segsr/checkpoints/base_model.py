"""Stable Diffusion's own weights as the start of stage one."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from torch import Tensor

from segsr.checkpoints.ldm_keys import (
    FIRST_STAGE,
    UNET,
    holds,
    take,
    unet_config,
    unet_state,
    vae_config,
    vae_state,
)
from segsr.checkpoints.network import build_network, load_network
from segsr.checkpoints.prompt import OPEN_CLIP, empty_prompt, encode_prompt, load_prompt
from segsr.checkpoints.state_dict import SUFFIXES, first_line, read_state_dict
from segsr.errors import SegSRError
from segsr.nets.image_denoiser import ImageDenoiser

_LOG = logging.getLogger(__name__)
_REMEDY = (
    "give base_model=FOLDER, a diffusers folder with vae/ and unet/; or base_model=FILE, an"
    f" original Stable Diffusion checkpoint ({', '.join(SUFFIXES[:2])}); or base_model=OWNER/NAME,"
    " a hub id that still carries Stable Diffusion 2.1 base (its original address is gone)"
)
_TOKENS = 77


def load_vae(
    base_model: str | Path, *, revision: str | None = None, sha256: str | None = None
) -> AutoencoderKL:
    """Return the autoencoder of a Stable Diffusion.

    Args:
        base_model: A diffusers folder, an original single file, or a hub id.
        revision: Branch, tag or commit, for a hub id.
        sha256: Digest that a single file must have.

    Raises:
        SegSRError: If it cannot be had; the message lists the choices.
    """
    source = _find(base_model, "vae", revision, sha256)
    if source.is_dir():
        return _load(AutoencoderKL, source / "vae", base_model)
    return read_vae(read_state_dict(source, sha256), str(source))


def load_denoiser(
    base_model: str | Path,
    *,
    revision: str | None = None,
    sha256: str | None = None,
    head_dim: int | None = None,
    prompt_embedding: str | Path | None = None,
    guidance_channels: int = 256,
    sft_hidden: int = 128,
    **options: Any,
) -> ImageDenoiser:
    """Return an `ImageDenoiser` on the U-Net of a Stable Diffusion, its SFTs freshly initialised.

    Its stored prompt is the file's, else the empty prompt of the base model's text encoder, else
    zeros, with a warning.

    Args:
        base_model: A diffusers folder, an original single file, or a hub id.
        revision: Branch, tag or commit, for a hub id.
        sha256: Digest that a single file must have.
        head_dim: Channels of an attention head, for a single file; see `unet_config`.
        prompt_embedding: A file of `segsr.checkpoints.prompt.save_prompt`.
        guidance_channels: See `ImageDenoiser`.
        sft_hidden: See there.
        **options: Its other arguments.

    Raises:
        SegSRError: If the U-Net cannot be had; the message lists the choices.
    """
    source = _find(base_model, "unet", revision, sha256)
    if source.is_dir():
        unet = _load(UNet2DConditionModel, source / "unet", base_model)
        config = {key: value for key, value in unet.config.items() if not key.startswith("_")}
        weights = unet.state_dict()
    else:
        below = take(read_state_dict(source, sha256), UNET)
        config = unet_config(below, head_dim)
        weights = unet_state(below, config["layers_per_block"])
    prompt = base_prompt(source) if prompt_embedding is None else load_prompt(prompt_embedding)
    tokens = _TOKENS if prompt is None else prompt.shape[0]
    denoiser: ImageDenoiser = ImageDenoiser(
        config,
        prompt_tokens=tokens,
        guidance_channels=guidance_channels,
        sft_hidden=sft_hidden,
        **options,
    )
    try:
        denoiser.load_base({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        raise SegSRError(
            f"the U-Net in {source} is not Stable Diffusion's ({first_line(error)}): {_REMEDY}."
        ) from error
    set_prompt(denoiser, prompt)
    return denoiser


def base_prompt(base_model: str | Path, *, revision: str | None = None) -> Tensor | None:
    """Return the empty prompt's embedding by a base model's text encoder; None if it has none.

    Args:
        base_model: A diffusers folder, an original single file, or a hub id.
        revision: Branch, tag or commit, for a hub id.

    Raises:
        SegSRError: If the base model cannot be had, or its text encoder cannot be read.
    """
    source = _find(base_model, "text_encoder", revision, None)
    if source.is_dir():
        return encode_prompt(source) if (source / "text_encoder").is_dir() else None
    state = read_state_dict(source)
    return empty_prompt(state) if holds(state, OPEN_CLIP.rstrip(".")) else None


def set_prompt(denoiser: ImageDenoiser, prompt: Tensor | None) -> None:
    """Store a prompt embedding in `denoiser`; warn if there is none.

    Raises:
        SegSRError: If the U-Net does not read embeddings of that shape.
    """
    if prompt is None:
        _LOG.warning(
            "No text encoder is at hand: the stored prompt is zeros, not the empty prompt that"
            " Stable Diffusion knows. Give prompt_embedding=FILE (see docs/importing.md)."
        )
        return
    assert denoiser.prompt is not None
    if denoiser.prompt.shape != prompt.shape:
        raise SegSRError(
            f"the prompt embedding is {tuple(prompt.shape)}, but the U-Net reads"
            f" {tuple(denoiser.prompt.shape)}: compute it with the base model's own text encoder."
        )
    denoiser.prompt.copy_(prompt)


def read_vae(state: dict[str, Tensor], origin: str) -> AutoencoderKL:
    """Return the autoencoder of an original checkpoint's tensors.

    Raises:
        SegSRError: If names are missing or not known, or shapes do not fit.
    """
    below = take(state, FIRST_STAGE)
    return build_network(AutoencoderKL, vae_config(below), vae_state(below), origin)


def _find(base_model: str | Path, part: str, revision: str | None, sha256: str | None) -> Path:
    """The file, the folder, or the folder of the download."""
    path = Path(base_model)
    if path.is_file():
        return path
    if sha256 is not None:
        raise SegSRError(f"sha256 is that of a single file, but base_model is {base_model}.")
    if path.is_dir():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(base_model)):
        raise SegSRError(f"no base model {str(base_model)!r}: {_REMEDY}.")
    folders = ("vae", "unet", "text_encoder", "tokenizer")
    kinds = ("json", "safetensors", "txt")
    try:
        folder = snapshot_download(
            str(base_model),
            revision=revision,
            allow_patterns=[f"{name}/*.{kind}" for name in folders for kind in kinds],
            ignore_patterns=["*.fp16.*", "*non_ema*"],
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise SegSRError(
            f"the base model {str(base_model)!r} is neither a folder nor a file here and its"
            f" {part} could not be downloaded ({first_line(error)}): {_REMEDY}."
        ) from error
    return Path(folder)


def _load(cls: type[ModelMixin], folder: Path, base_model: str | Path) -> Any:
    try:
        return load_network(cls, folder)
    except SegSRError as error:
        raise SegSRError(
            f"the base model {str(base_model)!r} has no readable {folder.name}"
            f" ({str(error).rstrip('.')}): {_REMEDY}."
        ) from error
