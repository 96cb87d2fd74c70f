"""The text that the cross-attention reads, computed once: no text encoder is needed to restore."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from segsr.checkpoints.ldm_keys import count, refuse_unknown, size, split_parameter, take
from segsr.checkpoints.state_dict import first_line, read_state_dict
from segsr.errors import SegSRError

OPEN_CLIP = "cond_stage_model.model."
KEY = "prompt"
"""Name of the tensor in a file of a prompt embedding."""
_HEAD_DIM = 64  # of OpenCLIP's ViT-H text tower
_UNUSED = re.compile(r"text_projection|logit_scale|attn_mask|token_embedding\.position_ids")
_ENDS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def empty_prompt(
    state: Mapping[str, Tensor], head_dim: int = _HEAD_DIM
) -> Float[Tensor, "tokens width"]:
    """Return the embedding of the empty prompt by the OpenCLIP text tower in a checkpoint.

    Stable Diffusion 2 reads the last layer but one, then the final LayerNorm. OpenCLIP's empty
    prompt is its start and end tokens (the vocabulary's last two) and zeros, so no tokenizer is
    needed.

    Args:
        state: A checkpoint with `cond_stage_model.model.*`.
        head_dim: Channels of an attention head, which no shape tells.

    Raises:
        SegSRError: If names are missing or not known.
    """
    tower = take(state, OPEN_CLIP)
    vocabulary = size(tower, "token_embedding.weight")
    model = open_clip_text_model(tower, head_dim)
    tokens = torch.zeros(1, size(tower, "positional_embedding"), dtype=torch.long)
    tokens[0, :2] = torch.tensor([vocabulary - 2, vocabulary - 1])
    with torch.no_grad():
        embedding: Tensor = model(tokens).last_hidden_state[0]
    return embedding


def open_clip_text_model(tower: Mapping[str, Tensor], head_dim: int = _HEAD_DIM) -> CLIPTextModel:
    """Return an OpenCLIP text tower without its last layer as transformers' text model.

    Args:
        tower: The tensors below `cond_stage_model.model.`, without that prefix.
        head_dim: Channels of an attention head.

    Raises:
        SegSRError: If names are missing or not known.
    """
    layers = count(tower, r"transformer\.resblocks\.(\d+)\.") - 1
    width = size(tower, "token_embedding.weight", 1)
    renamed: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, value in tower.items():
        match = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", key)
        if key in _ENDS:
            renamed[_ENDS[key]] = value.float()
        elif match:
            if int(match[1]) < layers:
                renamed |= _layer(f"encoder.layers.{match[1]}", match[2], value.float(), unknown)
        elif not _UNUSED.fullmatch(key):
            unknown.append(key)
    refuse_unknown(unknown, OPEN_CLIP)
    vocabulary = size(tower, "token_embedding.weight")
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        hidden_size=width,
        intermediate_size=size(tower, "transformer.resblocks.0.mlp.c_fc.weight"),
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // head_dim),
        max_position_embeddings=size(tower, "positional_embedding"),
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )
    model = CLIPTextModel(config).eval()
    own = model.state_dict()
    prefix = "text_model." if any(key.startswith("text_model.") for key in own) else ""
    try:
        model.load_state_dict({prefix + key: value for key, value in renamed.items()})
    except RuntimeError as error:
        raise SegSRError(
            f"the text encoder in the checkpoint is no OpenCLIP text tower ({error}): give"
            " --prompt-embedding instead."
        ) from error
    return model


def _layer(place: str, key: str, value: Tensor, unknown: list[str]) -> dict[str, Tensor]:
    """One tensor of a layer under transformers' names; the joint projection becomes three."""
    module, parameter = split_parameter(key)
    if module in _LAYER:
        return {f"{place}.{_LAYER[module]}.{parameter}": value}
    if module == "attn" and parameter.startswith("in_proj_"):
        kind = parameter.removeprefix("in_proj_")
        return {
            f"{place}.self_attn.{name}_proj.{kind}": part
            for name, part in zip("qkv", value.chunk(3), strict=True)
        }
    unknown.append(f"transformer.resblocks.{place.rpartition('.')[2]}.{key}")
    return {}


def encode_prompt(folder: str | Path, text: str = "") -> Float[Tensor, "tokens width"]:
    """Return the embedding of `text` by the text encoder of a diffusers folder.

    Args:
        folder: A folder with `text_encoder/` and `tokenizer/`.
        text: The prompt.

    Raises:
        SegSRError: If either is missing or cannot be read.
    """
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(Path(folder, "tokenizer")))
        model = CLIPTextModel.from_pretrained(
            str(Path(folder, "text_encoder")),
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="sdpa",
        ).eval()
    except Exception as error:  # tokenizers raise nothing more precise
        raise SegSRError(
            f"{folder} has no readable text_encoder/ and tokenizer/ ({first_line(error)}): give a"
            " diffusers folder that has them."
        ) from error
    length = model.config.max_position_embeddings
    tokens = tokenizer(
        text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        embedding: Tensor = model(tokens.input_ids).last_hidden_state[0]
    return embedding


def save_prompt(path: str | Path, embedding: Float[Tensor, "tokens width"]) -> None:
    """Write a prompt embedding for `load_prompt`."""
    save_file({KEY: embedding.contiguous()}, path)


def load_prompt(path: str | Path) -> Float[Tensor, "tokens width"]:
    """Return the prompt embedding in a file with the one tensor `prompt`.

    Raises:
        SegSRError: If the file cannot be read or holds something else.
    """
    state = read_state_dict(path)
    if list(state) != [KEY] or state[KEY].ndim != 2:
        raise SegSRError(
            f"{path} must hold one tensor {KEY!r} of shape (tokens, width), got"
            f" { {name: tuple(value.shape) for name, value in list(state.items())[:3]} }: write it"
            " with segsr.checkpoints.prompt.save_prompt."
        )
    return state[KEY].float()
