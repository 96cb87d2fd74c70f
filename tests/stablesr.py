"""Checkpoints by StableSR's names, at small sizes, as the public code would have saved them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor

FIXTURES = Path(__file__).parent / "fixtures"
_NORM = re.compile(r"(in_layers\.0|out_layers\.0|param_free_norm|norm\d?|\.out\.0)\.weight")


def shapes(size: str) -> dict[str, list[int]]:
    """The names and shapes of the public networks, `full` or `tiny`."""
    return json.loads((FIXTURES / "stablesr_keys.json").read_text())[size]


def tiny_weights() -> dict[str, Tensor]:
    """The weights with which the public code computed `stablesr_tiny.safetensors`.

    Drawn in the order of the names, one generator for each network, and rounded as the reference
    run had them: matrices to float8 (e4m3fn), vectors to float16.
    """
    weights = {}
    for seed, prefix in enumerate(("model.diffusion_model.", "structcond_stage_model.")):
        g = torch.Generator().manual_seed(seed)
        names = {name: s for name, s in shapes("tiny").items() if name.startswith(prefix)}
        for name in sorted(names):
            value = torch.randn(names[name], generator=g)
            value = 1 + 0.1 * value if _NORM.search(name) else 0.05 * value
            dtype = torch.float8_e4m3fn if value.ndim > 1 else torch.float16
            weights[name] = value.to(dtype).float()
    return weights


def first_stage_weights(seed: int = 0) -> dict[str, Tensor]:
    """Stable Diffusion's autoencoder with a quarter of its channels, random."""
    g = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes("full").items():
        if name.startswith("first_stage_model."):
            small = [side // 4 if side >= 128 else side for side in shape]
            weights[name] = 0.05 * torch.randn(small, generator=g)
            if "norm" in name and name.endswith("weight"):
                weights[name] += 1
    return weights


def text_encoder_weights(layers: int = 3, width: int = 24, tokens: int = 7) -> dict[str, Tensor]:
    """An OpenCLIP text tower by the names it has in Stable Diffusion 2, random."""
    g = torch.Generator().manual_seed(5)
    shapes: dict[str, tuple[int, ...]] = {
        "positional_embedding": (tokens, width),
        "text_projection": (width, width),
        "logit_scale": (),
        "token_embedding.weight": (50, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for i in range(layers):
        layer = f"transformer.resblocks.{i}"
        for name, shape in {
            "ln_1.weight": (width,),
            "ln_1.bias": (width,),
            "attn.in_proj_weight": (3 * width, width),
            "attn.in_proj_bias": (3 * width,),
            "attn.out_proj.weight": (width, width),
            "attn.out_proj.bias": (width,),
            "ln_2.weight": (width,),
            "ln_2.bias": (width,),
            "mlp.c_fc.weight": (4 * width, width),
            "mlp.c_fc.bias": (4 * width,),
            "mlp.c_proj.weight": (width, 4 * width),
            "mlp.c_proj.bias": (width,),
        }.items():
            shapes[f"{layer}.{name}"] = shape
    return {
        f"cond_stage_model.model.{name}": 0.3 * torch.randn(shape, generator=g)
        for name, shape in shapes.items()
    }


def cfw_weights(channels: dict[int, int], depth: int = 2, growth: int = 4) -> dict[str, Tensor]:
    """The fusions of StableSR's controllable decoder: width by decoder level, random."""
    g = torch.Generator().manual_seed(9)
    weights = {}

    def add(name: str, *shape: int) -> None:
        noise = 0.05 * torch.randn(shape, generator=g)
        weights[f"decoder.{name}.weight"] = 1 + noise if len(shape) == 1 else noise
        weights[f"decoder.{name}.bias"] = 0.05 * torch.randn(shape[0], generator=g)

    for level, width in channels.items():
        layer = f"fusion_layer_{level}"
        for place, inputs in (("encode_enc_1", 2 * width), ("encode_enc_3", width)):
            add(f"{layer}.{place}.norm1", inputs)
            add(f"{layer}.{place}.conv1", width, inputs, 3, 3)
            add(f"{layer}.{place}.norm2", width)
            add(f"{layer}.{place}.conv2", width, width, 3, 3)
        add(f"{layer}.encode_enc_1.conv_out", width, 2 * width, 1, 1)
        for i in range(depth):
            for j in (1, 2, 3):
                for k in range(5):
                    outputs = growth if k < 4 else width
                    place = f"{layer}.encode_enc_2.{i}.rdb{j}.conv{k + 1}"
                    add(place, outputs, width + k * growth, 3, 3)
    return weights
