"""Names and shapes of StableSR's time-aware encoder and controllable decoder to those of ours.

The names of CFW are those of the public code's `Decoder_Mix`:
`decoder.fusion_layer_{level}.encode_enc_1` and `_3` (residual blocks with `norm1`, `conv1`,
`norm2`, `conv2`, `conv_out`) and `encode_enc_2.{i}` (RRDBs with `rdb1` to `rdb3` of `conv1` to
`conv5`). They follow that code's layout and were not compared with a released file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segsr.checkpoints.ldm_keys import (
    RESIDUAL_BLOCK,
    count,
    holds,
    levels_of,
    refuse_unknown,
    size,
    split_parameter,
)
from segsr.errors import SegSRError

CONTROLLER = "structcond_stage_model."
FUSIONS = "decoder.fusion_layer_"


def controller_config(state: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    """Return the arguments of `ImageController` that a time-aware encoder's shapes imply.

    Args:
        state: The tensors below `structcond_stage_model.`, without that prefix.
        heads: Attention heads, which no shape tells.

    Raises:
        SegSRError: If the shapes are not those of such an encoder.
    """
    levels, depth = levels_of(state)
    attending = [i for i, first in enumerate(levels) if holds(state, f"input_blocks.{first}.1")]
    if not attending and holds(state, "middle_block.1"):
        attending = [len(levels)]  # the middle alone
    channels = [size(state, f"input_blocks.{first}.0.in_layers.2.weight") for first in levels]
    if any(width % heads for width in channels):
        raise SegSRError(
            f"{heads} attention heads do not divide the time-aware encoder's widths {channels}:"
            " give the number it was trained with."
        )
    return {
        "latent_channels": size(state, "input_blocks.0.0.weight", 1),
        "guidance_channels": size(state, "fea_tran.0.out_layers.3.weight"),
        "channels": channels,
        "depth": depth,
        "attention_levels": attending,
        "heads": heads,
    }


def controller_state(state: Mapping[str, Tensor], heads: int) -> dict[str, Tensor]:
    """Return a time-aware encoder's tensors under the names of `ImageController`.

    Args:
        state: The tensors below `structcond_stage_model.`, without that prefix.
        heads: Attention heads: the joint projection to query, key and value is cut by them.

    Raises:
        SegSRError: If names are not known.
    """
    _, depth = levels_of(state)
    renamed: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        parts = _controller_parts(key, value, depth, heads)
        renamed |= parts
        unknown += [] if parts else [key]
    refuse_unknown(unknown, CONTROLLER)
    return renamed


def cfw_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `ControllableDecoder` that the fusions' shapes imply.

    Args:
        state: The tensors below `decoder.fusion_layer_`, without that prefix.

    Raises:
        SegSRError: If the shapes are not those of such fusions.
    """
    levels = _cfw_levels(state)
    dense = f"{levels[0]}.encode_enc_2"
    return {
        "channels": [size(state, f"{level}.encode_enc_3.conv2.weight") for level in levels],
        "depth": count(state, rf"{re.escape(dense)}\.(\d+)\."),
        "growth": size(state, f"{dense}.0.rdb1.conv1.weight"),
    }


def cfw_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the fusions' tensors under the names of `ControllableDecoder`.

    Args:
        state: The tensors below `decoder.fusion_layer_`, without that prefix.

    Raises:
        SegSRError: If names are not known.
    """
    names = {key: _cfw_name(key, _cfw_levels(state)) for key in state}
    refuse_unknown((key for key, name in names.items() if name is None), FUSIONS)
    return {name: state[key] for key, name in names.items() if name is not None}


def _cfw_levels(state: Mapping[str, Tensor]) -> list[int]:
    """The decoder's fused levels, coarsest first."""
    found = (re.match(r"(\d+)\.", key) for key in state)
    return sorted({int(match[1]) for match in found if match}, reverse=True)


def _controller_parts(key: str, value: Tensor, depth: int, heads: int) -> dict[str, Tensor]:
    """One tensor of the time-aware encoder under our names; nothing if its name is not known."""
    module, parameter = split_parameter(key)
    ends = {
        "time_embed.0": "time.mlp.linear_1",
        "time_embed.2": "time.mlp.linear_2",
        "input_blocks.0.0": "conv_in",
    }
    if module in ends:
        return {f"encoder.{ends[module]}.{parameter}": value}
    if match := re.fullmatch(r"input_blocks\.(\d+)\.0\.op", module):
        return {f"encoder.downsamplers.{int(match[1]) // (depth + 1) - 1}.conv.{parameter}": value}
    if match := re.fullmatch(r"input_blocks\.(\d+)\.([01])\.(.+)", module):
        level, layer = divmod(int(match[1]) - 1, depth + 1)
        kind = "attentions" if match[2] == "1" else "blocks"
        place, part = f"encoder.levels.{level}.{kind}.{layer}", match[3]
    elif match := re.fullmatch(r"middle_block\.([012])\.(.+)", module):
        place, part = f"encoder.middle.{int(match[1]) // 2}", match[2]
        if match[1] == "1":
            place = "encoder.middle_attention"
    elif match := re.fullmatch(r"fea_tran\.(\d+)\.(.+)", module):
        place, part = f"encoder.taps.{match[1]}", match[2]
    else:
        return {}
    if "attention" not in place:
        name = RESIDUAL_BLOCK.get(part)
        return {f"{place}.{name}.{parameter}": value} if name else {}
    return _attention_parts(place, part, parameter, value, heads)


def _attention_parts(
    place: str, part: str, parameter: str, value: Tensor, heads: int
) -> dict[str, Tensor]:
    """A self-attention's tensors. Its joint projection has the heads outside: (head, qkv, dim)."""
    if part == "norm":
        return {f"{place}.group_norm.{parameter}": value}
    if part == "proj_out":
        return {f"{place}.to_out.0.{parameter}": value.squeeze(-1)}
    if part != "qkv" or not value.numel() or value.shape[0] % (3 * heads):
        return {}
    by_head = value.reshape(heads, 3, -1, *value.shape[1:2])
    return {
        f"{place}.to_{name}.{parameter}": by_head[:, i].flatten(0, 1)
        for i, name in enumerate("qkv")
    }


def _cfw_name(key: str, levels: list[int]) -> str | None:
    module, parameter = split_parameter(key)
    match = re.fullmatch(r"(\d+)\.encode_enc_(\d)\.(.+)", module)
    if not match:
        return None
    place, part = f"fusions.{levels.index(int(match[1]))}", match[3]
    if match[2] in "13":
        layer = "enter" if match[2] == "1" else "leave"
        return f"{place}.{layer}.{part.replace('conv_out', 'conv_shortcut')}.{parameter}"
    dense = re.fullmatch(r"(\d+)\.rdb([123])\.conv([1-5])", part)
    if not dense:
        return None
    block, conv = int(dense[2]) - 1, int(dense[3]) - 1
    return f"{place}.dense.{dense[1]}.blocks.{block}.convs.{conv}.{parameter}"
