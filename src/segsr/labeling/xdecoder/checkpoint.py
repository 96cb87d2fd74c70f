"""X-Decoder's public checkpoints: their names, the sizes their shapes tell, the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from segsr.checkpoints.ldm_keys import count, refuse_unknown, take
from segsr.checkpoints.state_dict import enumerate_all, read_state_dict
from segsr.errors import SegSRError
from segsr.labeling.xdecoder.focalnet import FocalNet
from segsr.labeling.xdecoder.network import XDecoder, XDecoderConfig

HEADS = 8
"""Attention heads of the public models, in both decoders and in the text encoder."""

_PIXEL = "sem_seg_head.pixel_decoder."
_PREDICTOR = "sem_seg_head.predictor."
_TEXT = _PREDICTOR + "lang_encoder.lang_encoder."
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"backbone\.patch_embed\.", "backbone.stem."),
        (r"backbone\.layers\.(\d+)\.blocks\.", r"backbone.stages.\1."),
        (r"backbone\.layers\.(\d+)\.downsample\.", r"backbone.downsamples.\1."),
        (r"(.*modulation\.focal_layers\.\d+)\.0\.", r"\1."),
        (r"backbone\.norm(\d+)\.", r"backbone.norms.\1."),
        (r"backbone_proj$", "captioning.backbone"),
        (re.escape(_PIXEL) + r"transformer\.encoder\.layers\.", "pixel_decoder.encoder."),
        (re.escape(_PIXEL), "pixel_decoder."),
        (r"(pixel_decoder\.(?:adapter|layer)_\d+)\.weight$", r"\1.conv.weight"),
        (re.escape(_TEXT) + r"token_embedding\.", "text_encoder.model.embeddings.token_embedding."),
        (
            re.escape(_TEXT) + r"positional_embedding$",
            "text_encoder.model.embeddings.position_embedding.weight",
        ),
        (re.escape(_TEXT) + r"ln_final\.", "text_encoder.model.final_layer_norm."),
        (re.escape(_TEXT) + r"resblocks\.(\d+)\.", r"text_encoder.model.encoder.layers.\1."),
        (r"(text_encoder\..*)\.ln_(\d)\.", r"\1.layer_norm\2."),
        (r"(text_encoder\..*)\.attn\.", r"\1.self_attn."),
        (r"(text_encoder\..*)\.c_fc\.", r"\1.fc1."),
        (r"(text_encoder\..*)\.c_proj\.", r"\1.fc2."),
        (re.escape(_PREDICTOR) + r"lang_encoder\.lang_proj$", "text_encoder.projection"),
        (re.escape(_PREDICTOR) + r"lang_encoder\.logit_scale$", "decoder.logit_scale"),
        (re.escape(_PREDICTOR) + r"caping_embed$", "captioning.embed"),
        (re.escape(_PREDICTOR) + r"pos_embed_caping\.weight$", "captioning.positions"),
        (re.escape(_PREDICTOR) + r"decoder_norm\.", "decoder.norm."),
        (re.escape(_PREDICTOR) + r"mask_embed\.layers\.", "decoder.mask_embed."),
        (
            re.escape(_PREDICTOR) + r"transformer_cross_attention_layers\.(\d+)\.multihead_attn\.",
            r"decoder.layers.\1.cross_attn.",
        ),
        (
            re.escape(_PREDICTOR) + r"transformer_(self|cross)_attention_layers\.(\d+)\.norm\.",
            r"decoder.layers.\2.\1_norm.",
        ),
        (
            re.escape(_PREDICTOR) + r"transformer_self_attention_layers\.(\d+)\.self_attn\.",
            r"decoder.layers.\1.self_attn.",
        ),
        (
            re.escape(_PREDICTOR) + r"transformer_ffn_layers\.(\d+)\.norm\.",
            r"decoder.layers.\1.ffn_norm.",
        ),
        (re.escape(_PREDICTOR) + r"transformer_ffn_layers\.(\d+)\.", r"decoder.layers.\1."),
        (re.escape(_PREDICTOR), "decoder."),
    )
]
"""Public names to ours; each rule is tried at the start of what the rules before it left."""
_NUMBERED = re.compile(r"pixel_decoder\.(adapter|layer)_(\d+)\.")
_SET_ASIDE = {
    "weights of the training loss": re.compile(r"criterion\..+"),
    "attention mask, which follows from the number of queries": re.compile(
        r"sem_seg_head\.predictor\.self_attn_mask"
    ),
    "pixel mean and standard deviation, which are constants": re.compile(r"pixel_(mean|std)"),
}
_OPTIONAL = "captioning."


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        network: In float32 and eval mode, without gradients.
        set_aside: Names that were not read, by reason.
    """

    network: XDecoder
    set_aside: dict[str, list[str]]


def read_xdecoder(
    path: str | Path,
    *,
    heads: int = HEADS,
    text_heads: int = HEADS,
    config: XDecoderConfig | None = None,
) -> Checkpoint:
    """Return the network in an official `.pt` file, or in its tensors as `.safetensors`.

    Args:
        path: The checkpoint: a state dict, plain or under `model`.
        heads: Attention heads of both decoders, which no shape tells.
        text_heads: Attention heads of the text encoder, likewise.
        config: All sizes; inferred from the shapes if None.

    Raises:
        SegSRError: If the file cannot be read as tensors alone, or is no X-Decoder.
    """
    state = read_state_dict(path)
    return load_xdecoder(state, heads=heads, text_heads=text_heads, config=config, origin=str(path))


def load_xdecoder(
    state: Mapping[str, Tensor],
    *,
    heads: int = HEADS,
    text_heads: int = HEADS,
    config: XDecoderConfig | None = None,
    origin: str = "the state dict",
) -> Checkpoint:
    """Return the network of a state dict under its public names; see `read_xdecoder`."""
    config = config or infer_config(state, heads=heads, text_heads=text_heads)
    renamed, set_aside = rename(state)
    for name, number, width in (
        ("heads", config.heads, config.width),
        ("heads", config.heads, config.pixel_width),
        ("text_heads", config.text_heads, config.text_width),
    ):
        if number < 1 or width % number:
            raise SegSRError(
                f"{name} must divide the width {width} of {origin}, got {number}: give the number"
                " it was trained with."
            )
    network = XDecoder(config)
    own = network.state_dict()
    missing = [k for k in own if k not in renamed and not k.startswith(_OPTIONAL)]
    refuse_unknown([k for k in renamed if k not in own], "")
    if missing:
        raise SegSRError(
            f"{origin} lacks {len(missing)} tensors of an X-Decoder, by our names"
            f" {enumerate_all(missing)}: give a whole checkpoint."
        )
    for key, value in renamed.items():
        if value.shape != own[key].shape:
            raise SegSRError(
                f"{origin} holds {key} as {tuple(value.shape)}, but the other sizes ask for"
                f" {tuple(own[key].shape)}: it is damaged, or the configuration is another's."
            )
    network.load_state_dict({k: v.float() for k, v in renamed.items()}, strict=False)
    return Checkpoint(network.eval().requires_grad_(False), set_aside)


def load_backbone(state: Mapping[str, Tensor]) -> FocalNet:
    """Return the image backbone alone, in float32 and eval mode.

    Args:
        state: Tensors with the names `backbone.*`; others are not looked at.

    Raises:
        SegSRError: If tensors are missing, not known or of the wrong shape.
    """
    sizes = backbone_sizes(state)
    net = FocalNet(sizes.pop("backbone_width"), **sizes)
    renamed, _ = rename({k: v for k, v in state.items() if k.startswith("backbone.")})
    try:
        net.load_state_dict({k: v.float() for k, v in take(renamed, "backbone.").items()})
    except RuntimeError as error:
        raise SegSRError(
            f"the tensors are no FocalNet backbone of X-Decoder ({error}): give all of backbone.*"
            " of a Focal-T or Focal-L checkpoint."
        ) from error
    return net.eval().requires_grad_(False)


def rename(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Return the tensors under our names, and the names that are set aside by reason.

    CLIP's joint query, key and value projection becomes transformers' three.

    Raises:
        SegSRError: If a name is neither a part of the network nor known to be needless.
    """
    renamed: dict[str, Tensor] = {}
    set_aside: dict[str, list[str]] = {}
    unknown = []
    for key, value in state.items():
        reasons = [reason for reason, pattern in _SET_ASIDE.items() if pattern.fullmatch(key)]
        if reasons:
            set_aside.setdefault(reasons[0], []).append(key)
            continue
        name = key
        for pattern, replacement in _RENAMED:
            name = pattern.sub(replacement, name, count=1) if pattern.match(name) else name
        name = _NUMBERED.sub(lambda m: f"pixel_decoder.{m[1]}s.{int(m[2]) - 1}.", name)
        if not name.startswith(
            ("backbone.", "pixel_decoder.", "decoder.", "text_encoder.", _OPTIONAL)
        ):
            unknown.append(key)
        elif name.startswith("text_encoder.") and ".in_proj_" in name:
            place, _, kind = name.partition(".in_proj_")
            for part, tensor in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{place}.{part}_proj.{kind}"] = tensor
        else:
            renamed[name] = value
    refuse_unknown(unknown, "")
    return renamed, set_aside


def infer_config(
    state: Mapping[str, Tensor], *, heads: int = HEADS, text_heads: int = HEADS
) -> XDecoderConfig:
    """Return the sizes that the shapes of a state dict under its public names tell.

    Raises:
        SegSRError: If a tensor that tells a size is missing.
    """
    text = take(state, _TEXT)
    pixel = take(state, _PIXEL)
    predictor = take(state, _PREDICTOR)
    encoder = "transformer.encoder.layers"
    return XDecoderConfig(
        **backbone_sizes(state),
        pixel_width=_size(pixel, "input_proj.weight"),
        mask_width=_size(pixel, "mask_features.weight"),
        encoder_layers=count(pixel, r"transformer\.encoder\.layers\.(\d+)\."),
        encoder_hidden=_size(pixel, f"{encoder}.0.linear1.weight"),
        queries=_size(predictor, "query_feat.weight"),
        width=_size(predictor, "query_feat.weight", 1),
        layers=count(predictor, r"transformer_ffn_layers\.(\d+)\."),
        hidden=_size(predictor, "transformer_ffn_layers.0.linear1.weight"),
        vocabulary=_size(text, "token_embedding.weight"),
        context=_size(text, "positional_embedding"),
        text_width=_size(text, "token_embedding.weight", 1),
        text_layers=count(text, r"resblocks\.(\d+)\."),
        text_hidden=_size(text, "resblocks.0.mlp.c_fc.weight"),
        embedding_width=_size(predictor, "class_embed", 1),
        heads=heads,
        text_heads=text_heads,
    )


def backbone_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes of the backbone, by their names in `XDecoderConfig`.

    Args:
        state: Tensors with the names `backbone.*`; others are not looked at.
    """
    width = _size(state, "backbone.patch_embed.proj.weight")
    stages = range(count(state, r"backbone\.layers\.(\d+)\."))
    depths = tuple(count(state, rf"backbone\.layers\.{i}\.blocks\.(\d+)\.") for i in stages)
    kernels = []
    for i in stages:
        place = f"backbone.layers.{i}.blocks.0.modulation.focal_layers."
        levels = count(state, re.escape(place) + r"(\d+)\.")
        kernels.append(tuple(_size(state, f"{place}{k}.0.weight", 2) for k in range(levels)))
    return {
        "backbone_width": width,
        "depths": depths,
        "kernels": tuple(kernels),
        "mlp_width": _size(state, "backbone.layers.0.blocks.0.mlp.fc1.weight") / width,
        "depthwise": "backbone.layers.0.blocks.0.dw1.weight" in state,
    }


def _size(state: Mapping[str, Tensor], key: str, axis: int = 0) -> int:
    if key not in state or state[key].ndim <= axis:
        raise SegSRError(
            f"the checkpoint lacks {key}, from which a size is read: give a whole X-Decoder"
            " checkpoint with a Focal-T or Focal-L backbone."
        )
    return int(state[key].shape[axis])
