"""Names and shapes of Stable Diffusion's original files (LDM) to those of diffusers.

Sizes are read off the shapes. What shapes do not tell is an argument: the attention heads here,
the prediction type and the latents' scale where a scheduler and an autoencoder are made of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from segsr.checkpoints.state_dict import enumerate_all
from segsr.errors import SegSRError

UNET = "model.diffusion_model."
FIRST_STAGE = "first_stage_model."
SCALING_FACTOR = 0.18215
"""Of the latents, in all Stable Diffusion 1 and 2."""
_HEAD_DIM, _HEADS = 64, 8

_UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
RESIDUAL_BLOCK = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
    "spade.param_free_norm": "sft.norm",  # this and the next: StableSR's, at each block's end
    "spade.mlp_shared.0": "sft.shared.0",
    "spade.mlp_gamma": "sft.gamma",
    "spade.mlp_beta": "sft.beta",
}
_VAE_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}


def take(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries below `prefix`, without it.

    Raises:
        SegSRError: If there are none.
    """
    below = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    if not below:
        raise SegSRError(
            f"the checkpoint has no {prefix}*, but names such as {enumerate_all(list(state), 3)}:"
            " give the original Stable Diffusion or StableSR file that has them."
        )
    return below


def unet_config(state: Mapping[str, Tensor], head_dim: int | None = None) -> dict[str, Any]:
    """Return the arguments of `UNet2DConditionModel` that a U-Net's shapes imply.

    Args:
        state: The tensors below `model.diffusion_model.`, without that prefix.
        head_dim: Channels of an attention head, which no shape tells. If None, 64 where the
            projections are linear (Stable Diffusion 2); where they are convolutions (Stable
            Diffusion 1), 8 heads at every level.

    Raises:
        SegSRError: If the shapes are not those of such a U-Net.
    """
    levels, depth = levels_of(state)
    channels = [size(state, f"input_blocks.{first}.0.in_layers.2.weight") for first in levels]
    transformers = [
        count(state, rf"input_blocks\.{first}\.1\.transformer_blocks\.(\d+)\.") for first in levels
    ]
    middle = count(state, r"middle_block\.1\.transformer_blocks\.(\d+)\.")
    context = size(state, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1)
    linear = size(state, "middle_block.1.proj_in.weight") and (
        state["middle_block.1.proj_in.weight"].ndim == 2
    )
    if head_dim is None and linear:
        head_dim = _HEAD_DIM
    heads = [c // head_dim or 1 if head_dim else _HEADS for c in channels]
    attending = [c for c, attends in zip(channels, transformers, strict=True) if attends]
    if any(c % (head_dim or _HEADS) for c in [*attending, channels[-1]]):
        raise SegSRError(
            f"attention heads of {head_dim or f'1/{_HEADS}'} of the channels do not divide the"
            f" U-Net's widths {channels}: give the head dimension it was trained with."
        )
    return {
        "sample_size": 64,  # of the latents in training; nothing here depends on it
        "in_channels": size(state, "input_blocks.0.0.weight", 1),
        "out_channels": size(state, "out.2.weight"),
        "block_out_channels": channels,
        "layers_per_block": depth,
        "down_block_types": [
            "CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in transformers
        ],
        "up_block_types": [
            "CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(transformers)
        ],
        "transformer_layers_per_block": [attends or middle for attends in transformers],
        "cross_attention_dim": context,
        "attention_head_dim": heads,  # diffusers' name for the number of heads
        "use_linear_projection": bool(linear),
    }


def unet_state(state: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """Return a U-Net's tensors under diffusers' names, StableSR's SFTs under `sft`.

    Args:
        state: The tensors below `model.diffusion_model.`, without that prefix.
        depth: Residual blocks per level (`layers_per_block`).

    Raises:
        SegSRError: If names are not known.
    """
    return _renamed(state, lambda key: _unet_name(key, depth), UNET)


def vae_config(
    state: Mapping[str, Tensor], scaling_factor: float = SCALING_FACTOR
) -> dict[str, Any]:
    """Return the arguments of `AutoencoderKL` that an LDM autoencoder's shapes imply.

    Args:
        state: The tensors below `first_stage_model.`, without that prefix.
        scaling_factor: What latents are multiplied by before diffusion; no shape tells it.

    Raises:
        SegSRError: If the shapes are not those of such an autoencoder.
    """
    levels = count(state, r"encoder\.down\.(\d+)\.")
    return {
        "in_channels": size(state, "encoder.conv_in.weight", 1),
        "out_channels": size(state, "decoder.conv_out.weight"),
        "latent_channels": size(state, "decoder.conv_in.weight", 1),
        "block_out_channels": [
            size(state, f"encoder.down.{i}.block.0.conv1.weight") for i in range(levels)
        ],
        "layers_per_block": count(state, r"encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "sample_size": 512,  # of the images in training; nothing here depends on it
        "scaling_factor": scaling_factor,
    }


def vae_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an LDM autoencoder's tensors under diffusers' names and in its shapes.

    Args:
        state: The tensors below `first_stage_model.`, without that prefix.

    Raises:
        SegSRError: If names are not known.
    """
    levels = count(state, r"encoder\.down\.(\d+)\.")
    renamed = _renamed(state, lambda key: _vae_name(key, levels), FIRST_STAGE)
    return {
        key: value.flatten(1) if ".attentions." in key and value.ndim > 2 else value
        for key, value in renamed.items()  # a 1x1 convolution is a linear layer
    }


def levels_of(state: Mapping[str, Tensor]) -> tuple[list[int], int]:
    """Return each level's first block in `input_blocks`, and the residual blocks per level.

    Raises:
        SegSRError: If the levels differ in their number of blocks.
    """
    blocks = count(state, r"input_blocks\.(\d+)\.")
    ends = [i for i in range(1, blocks) if holds(state, f"input_blocks.{i}.0.op")]
    firsts = [1, *(end + 1 for end in ends)]
    depths = {end - first for first, end in zip(firsts, [*ends, blocks], strict=True)}
    if len(depths) != 1 or min(depths) < 1:
        raise SegSRError(
            f"the checkpoint's networks must have equally many blocks per level, got {depths}:"
            " give a Stable Diffusion or StableSR checkpoint."
        )
    return firsts, depths.pop()


def holds(state: Mapping[str, Tensor], module: str) -> bool:
    """Whether `module` has tensors."""
    return any(key.startswith(f"{module}.") for key in state)


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many different indices, from 0 on, the group in `pattern` matches.

    Raises:
        SegSRError: If an index is left out.
    """
    found = (re.match(pattern, key) for key in state)
    indices = {int(match[1]) for match in found if match}
    if indices and max(indices) >= len(indices):
        raise SegSRError(
            f"the checkpoint's names jump to the number {max(indices)} in {pattern}: it is damaged."
        )
    return len(indices)


def size(state: Mapping[str, Tensor], key: str, axis: int = 0) -> int:
    """Return the size of a weight along `axis`.

    Raises:
        SegSRError: If it is missing or has no such axis.
    """
    if key not in state or state[key].ndim <= axis:
        raise SegSRError(
            f"the checkpoint lacks {key}, from which a size is read: give a whole Stable Diffusion"
            " or StableSR checkpoint."
        )
    return int(state[key].shape[axis])


def split_parameter(key: str) -> tuple[str, str]:
    """Return a parameter's module and its own name."""
    module, _, parameter = key.rpartition(".")
    return module, parameter


def refuse_unknown(keys: Iterable[str], prefix: str) -> None:
    """Raise a SegSRError that lists `keys` below `prefix`, if there are any."""
    if unknown := [f"{prefix}{key}" for key in keys]:
        raise SegSRError(
            f"{len(unknown)} names in the checkpoint are not known and cannot be left out:"
            f" {enumerate_all(unknown)}; it is of another architecture."
        )


def _unet_name(key: str, depth: int) -> str | None:
    module, parameter = split_parameter(key)
    if module in _UNET_ENDS:
        return f"{_UNET_ENDS[module]}.{parameter}"
    match = re.fullmatch(r"middle_block\.(\d)\.(.+)", module)
    if match:
        kind, place = ("attentions", 0) if match[1] == "1" else ("resnets", int(match[1]) // 2)
        return _place(f"mid_block.{kind}.{place}", match[2], parameter)
    match = re.fullmatch(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", module)
    if not match:
        return None
    if match[1] == "input":
        block, layer = divmod(int(match[2]) - 1, depth + 1)
        side, sampler = "down_blocks", {"op": "downsamplers"}
    else:
        block, layer = divmod(int(match[2]), depth + 1)
        side, sampler = "up_blocks", {"conv": "upsamplers"}
    if match[4] in sampler:
        return f"{side}.{block}.{sampler[match[4]]}.0.conv.{parameter}"
    kind = "resnets" if match[3] == "0" else "attentions"
    return _place(f"{side}.{block}.{kind}.{layer}", match[4], parameter)


def _place(place: str, part: str, parameter: str) -> str | None:
    """The name of a part of a residual block, or of a transformer, whose parts keep theirs."""
    if ".resnets." not in place:
        return f"{place}.{part}.{parameter}"
    return f"{place}.{RESIDUAL_BLOCK[part]}.{parameter}" if part in RESIDUAL_BLOCK else None


def _vae_name(key: str, levels: int) -> str | None:
    module, parameter = split_parameter(key)
    if module in ("quant_conv", "post_quant_conv"):
        return key
    side, _, part = module.partition(".")
    if side not in ("encoder", "decoder"):
        return None
    ends = {"conv_in": "conv_in", "norm_out": "conv_norm_out", "conv_out": "conv_out"}
    if part in ends:
        return f"{side}.{ends[part]}.{parameter}"
    if match := re.fullmatch(r"mid\.attn_1\.(\w+)", part):
        name = _VAE_ATTENTION.get(match[1])
        return name and f"{side}.mid_block.attentions.0.{name}.{parameter}"
    if match := re.fullmatch(r"mid\.block_([12])\.(\w+)", part):
        place, layer = f"{side}.mid_block.resnets.{int(match[1]) - 1}", match[2]
    elif match := re.fullmatch(r"(down|up)\.(\d+)\.(down|up)sample\.conv", part):
        level = _vae_level(match[1], int(match[2]), levels)
        return f"{side}.{match[1]}_blocks.{level}.{match[3]}samplers.0.conv.{parameter}"
    elif match := re.fullmatch(r"(down|up)\.(\d+)\.block\.(\d+)\.(\w+)", part):
        level = _vae_level(match[1], int(match[2]), levels)
        place, layer = f"{side}.{match[1]}_blocks.{level}.resnets.{match[3]}", match[4]
    else:
        return None
    return f"{place}.{layer.replace('nin_shortcut', 'conv_shortcut')}.{parameter}"


def _vae_level(side: str, level: int, levels: int) -> int:
    """LDM counts the decoder's levels from the finest, diffusers in the order they run."""
    return level if side == "down" else levels - 1 - level


def _renamed(
    state: Mapping[str, Tensor], rename: Callable[[str], str | None], prefix: str
) -> dict[str, Tensor]:
    names = {key: rename(key) for key in state}
    known = {name: key for key, name in names.items() if name is not None}
    refuse_unknown((key for key, name in names.items() if known.get(name or "") != key), prefix)
    return {name: state[key] for name, key in known.items()}
