"""StableSR's public checkpoints to a model folder: stage one without training it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, ModelMixin
from torch import Tensor

from segsr.checkpoints.base_model import base_prompt, load_vae, read_vae, set_prompt
from segsr.checkpoints.folder import save_folder
from segsr.checkpoints.ldm_keys import (
    FIRST_STAGE,
    UNET,
    holds,
    size,
    take,
    unet_config,
    unet_state,
    vae_state,
)
from segsr.checkpoints.network import build_network
from segsr.checkpoints.prompt import OPEN_CLIP, empty_prompt, load_prompt
from segsr.checkpoints.stablesr_keys import (
    CONTROLLER,
    FUSIONS,
    cfw_config,
    cfw_state,
    controller_config,
    controller_state,
)
from segsr.checkpoints.state_dict import read_state_dict
from segsr.diffusion.gaussian import PredictionType
from segsr.errors import SegSRError
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser

NOT_KNOWN = "not known"
"""Why a name in no network of ours was set aside if no rule says more."""
SETTINGS = {"residual_scale": None, "steps": 200, "temperature": 1.0, "colour": "adain"}
"""As StableSR was published: 200 DDPM steps, colours by AdaIN."""
_TOKENS = 77
_SET_ASIDE = {
    "noise schedule, computed anew": re.compile(
        r"betas|(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?|sqrt_recip(m1)?_alphas_cumprod"
        r"|posterior_(variance|log_variance_clipped|mean_coef[12])|lvlb_weights|logvar"
    ),
    "averaged copy of weights that are read": re.compile(r"model_ema\..+"),
    "text encoder, of which the empty prompt is kept": re.compile(r"cond_stage_model\..+"),
    "the autoencoder's training loss": re.compile(r"(first_stage_model\.)?loss\..+"),
}
"""What a checkpoint holds besides our networks, and why it is not read."""


@dataclass(frozen=True)
class StableSR:
    """What a checkpoint holds.

    Attributes:
        components: Networks by their name in a model folder.
        set_aside: Names that were not read, by reason.
        notes: What the user should know, a sentence each.
    """

    components: dict[str, ModelMixin]
    set_aside: dict[str, list[str]]
    notes: list[str] = field(default_factory=list)


def import_stablesr(
    checkpoint: str | Path,
    output: str | Path,
    *,
    cfw: str | Path | None = None,
    base_model: str | Path | None = None,
    prompt_embedding: str | Path | None = None,
    head_dim: int | None = None,
    encoder_heads: int = 4,
    prediction_type: PredictionType = "epsilon",
    sha256: str | None = None,
) -> StableSR:
    """Write the model folder `output` from a StableSR checkpoint; return what was read.

    Args:
        checkpoint: StableSR's `.ckpt`, or its tensors as `.safetensors`.
        output: Folder for the components `denoiser`, `controller`, `autoencoder` and `cfw`, the
            scheduler and the settings; made if missing.
        cfw: StableSR's autoencoder checkpoint with the controllable decoder.
        base_model: Where the autoencoder and the empty prompt come from if the checkpoint has
            none; see `load_vae`.
        prompt_embedding: A file of `segsr.checkpoints.prompt.save_prompt`, in place of the empty
            prompt of the checkpoint's text encoder.
        head_dim: Channels of an attention head of the U-Net; 64 if None (Stable Diffusion 2).
        encoder_heads: Attention heads of the time-aware encoder.
        prediction_type: `epsilon`, or `v_prediction` for the 768 px model.
        sha256: Digest that `checkpoint` must have.

    Raises:
        SegSRError: If a file cannot be read, or names or shapes are not StableSR's.
    """
    state = read_state_dict(checkpoint, sha256)
    prompt = None if prompt_embedding is None else load_prompt(prompt_embedding)
    if base_model is not None and prompt is None and not holds(state, OPEN_CLIP.rstrip(".")):
        prompt = base_prompt(base_model)
    read = read_stablesr(
        state,
        head_dim=head_dim,
        encoder_heads=encoder_heads,
        prompt=prompt,
        origin=str(checkpoint),
    )
    if base_model is not None and "autoencoder" in read.components:
        read.notes.append(f"The autoencoder is the checkpoint's own, not that of {base_model}.")
    elif base_model is not None:
        read.components["autoencoder"] = load_vae(base_model)
        read.notes.append(f"The autoencoder is that of {base_model}.")
    elif "autoencoder" not in read.components:
        read.notes.append(
            "The checkpoint has no autoencoder and no base model was given: the folder cannot"
            " restore until it has autoencoder/."
        )
    if cfw is not None:
        _add_cfw(read, read_state_dict(cfw), str(cfw))
    save_folder(
        output,
        read.components,
        {"srdm": SETTINGS},
        stablesr_scheduler(prediction_type),
    )
    return read


def read_stablesr(
    state: Mapping[str, Tensor],
    *,
    head_dim: int | None = None,
    encoder_heads: int = 4,
    prompt: Tensor | None = None,
    origin: str = "the checkpoint",
) -> StableSR:
    """Return the networks in a StableSR checkpoint, their sizes read off the shapes.

    `model.diffusion_model.*` (Stable Diffusion's U-Net with the SFTs) becomes `denoiser`,
    `structcond_stage_model.*` becomes `controller`, `first_stage_model.*`, if there,
    `autoencoder`. Of the text encoder, the embedding of the empty prompt is kept.

    Args:
        state: Tensors by StableSR's names.
        head_dim: Channels of an attention head of the U-Net; 64 if None.
        encoder_heads: Attention heads of the time-aware encoder.
        prompt: Embedding to store in place of the empty prompt's.
        origin: Where the tensors come from, for errors.

    Raises:
        SegSRError: If names or shapes are not StableSR's.
    """
    notes = []
    if prompt is None and holds(state, OPEN_CLIP.rstrip(".")):
        prompt = empty_prompt(state)
        notes.append("The stored prompt is the text encoder's empty prompt.")
    elif prompt is None:
        notes.append(
            "The checkpoint has no OpenCLIP text encoder: the stored prompt is zeros, which the"
            " U-Net was not trained on; give a prompt embedding (docs/importing.md)."
        )
    denoiser = _denoiser(take(state, UNET), head_dim, prompt, origin)
    controller = _controller(take(state, CONTROLLER), encoder_heads, origin)
    components: dict[str, ModelMixin] = {"denoiser": denoiser, "controller": controller}
    maps, read = controller.config.guidance_channels, denoiser.config.guidance_channels
    if maps != read:
        raise SegSRError(
            f"the time-aware encoder in {origin} gives maps of {maps} channels, but the SFTs read"
            f" {read}: the two do not belong together."
        )
    if holds(state, FIRST_STAGE.rstrip(".")):
        components["autoencoder"] = read_vae(
            {key: value for key, value in state.items() if not _reason(key)}, origin
        )
    set_aside: dict[str, list[str]] = {}
    for key in state:
        if reason := _reason(key):
            set_aside.setdefault(reason, []).append(key)
        elif not key.startswith((UNET, CONTROLLER, FIRST_STAGE)):
            set_aside.setdefault(NOT_KNOWN, []).append(key)
    return StableSR(components, set_aside, notes)


def read_cfw(state: Mapping[str, Tensor], origin: str = "the checkpoint") -> ControllableDecoder:
    """Return the controllable decoder in StableSR's autoencoder checkpoint.

    Args:
        state: Tensors by StableSR's names.
        origin: Where they come from, for errors.

    Raises:
        SegSRError: If there is no controllable decoder, or its names or shapes are others.
    """
    below = take({k.removeprefix(FIRST_STAGE): v for k, v in state.items()}, FUSIONS)
    weights = cfw_state(below)
    network: ControllableDecoder = build_network(
        ControllableDecoder, cfw_config(below), weights, origin
    )
    return network


def stablesr_scheduler(prediction_type: PredictionType = "epsilon") -> DDPMScheduler:
    """Return StableSR's sampler: DDPM on Stable Diffusion's betas, steps evenly spaced 999 to 0."""
    return DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction_type,
        timestep_spacing="linspace",
        clip_sample=False,
    )


def _denoiser(
    state: Mapping[str, Tensor], head_dim: int | None, prompt: Tensor | None, origin: str
) -> ImageDenoiser:
    config = unet_config(state, head_dim)
    weights = {
        "net." + name.replace("time_embedding.", "time_embedding.embedding."): value
        for name, value in unet_state(state, config["layers_per_block"]).items()
    }
    tokens = _TOKENS if prompt is None else prompt.shape[0]
    sft = "input_blocks.1.0.spade.mlp_shared.0.weight"
    arguments = {
        "unet": config,
        "guidance_channels": size(state, sft, 1),
        "sft_hidden": size(state, sft),
        "prompt_tokens": tokens,
    }
    zeros = weights["net.conv_in.weight"].new_zeros(tokens, config["cross_attention_dim"])
    network: ImageDenoiser = build_network(
        ImageDenoiser, arguments, {**weights, "prompt": zeros}, origin
    )
    if prompt is not None:
        set_prompt(network, prompt)
    return network


def _controller(state: Mapping[str, Tensor], heads: int, origin: str) -> ImageController:
    arguments = controller_config(state, heads)
    network: ImageController = build_network(
        ImageController, arguments, controller_state(state, heads), origin
    )
    return network


def _add_cfw(read: StableSR, state: Mapping[str, Tensor], origin: str) -> None:
    """Adds the controllable decoder; the rest of its checkpoint is compared, and set aside."""
    read.components["cfw"] = read_cfw(state, origin)
    for key in state:
        if reason := _reason(key):
            read.set_aside.setdefault(reason, []).append(key)
    plain = {k.removeprefix(FIRST_STAGE): v for k, v in state.items() if not _reason(k)}
    plain = {k: v for k, v in plain.items() if not k.startswith(FUSIONS)}
    if plain:
        read.set_aside["CFW's copy of the autoencoder"] = list(plain)
    autoencoder = read.components.get("autoencoder")
    if not isinstance(autoencoder, AutoencoderKL):
        return
    widths = list(autoencoder.config.block_out_channels)[-2:0:-1]
    if list(read.components["cfw"].config.channels) != widths:
        raise SegSRError(
            f"the CFW in {origin} is of widths {list(read.components['cfw'].config.channels)}, but"
            f" the autoencoder's middle levels of {widths}: the two do not belong together."
        )
    if not plain:
        return
    own, theirs = autoencoder.state_dict(), vae_state(plain)
    if own.keys() != theirs.keys() or not all(
        own[key].shape == value.shape and torch.allclose(own[key], value.float(), 1e-2, 1e-3)
        for key, value in theirs.items()
    ):
        read.notes.append(f"The autoencoder in {origin} is another one: its CFW may not fit.")


def _reason(key: str) -> str | None:
    return next((why for why, pattern in _SET_ASIDE.items() if pattern.fullmatch(key)), None)
