"""Checkpoints by StableSR's names, at small sizes, as the public code would have saved them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor

FIXTURES = Path(__file__).parents[1] / "fixtures"
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


def networks(
    width: int = 32,
    mult: tuple[int, ...] = (1, 2),
    depth: int = 1,
    attending: tuple[int, ...] = (1,),
    context: int = 12,
    guidance: int = 32,
    hidden: int = 16,
    encoder: bool = False,
) -> dict[str, Tensor]:
    """A U-Net with SFTs, or the time-aware encoder, of any layout by LDM's naming, random."""
    g = torch.Generator().manual_seed(3)
    weights: dict[str, Tensor] = {}
    prefix = "structcond_stage_model" if encoder else "model.diffusion_model"
    time = 4 * width

    def add(name: str, *shape: int) -> None:
        noise = 0.05 * torch.randn(shape, generator=g)
        weights[f"{prefix}.{name}.weight"] = 1 + noise if len(shape) == 1 else noise
        weights[f"{prefix}.{name}.bias"] = 0.05 * torch.randn(shape[0], generator=g)

    def block(name: str, inputs: int, outputs: int) -> None:
        add(f"{name}.in_layers.0", inputs)
        add(f"{name}.in_layers.2", outputs, inputs, 3, 3)
        add(f"{name}.emb_layers.1", outputs, time)
        add(f"{name}.out_layers.0", outputs)
        add(f"{name}.out_layers.3", outputs, outputs, 3, 3)
        if inputs != outputs:
            add(f"{name}.skip_connection", outputs, inputs, 1, 1)
        if not encoder:
            add(f"{name}.spade.param_free_norm", outputs)
            add(f"{name}.spade.mlp_shared.0", hidden, guidance, 3, 3)
            add(f"{name}.spade.mlp_gamma", outputs, hidden, 3, 3)
            add(f"{name}.spade.mlp_beta", outputs, hidden, 3, 3)

    def attention(name: str, c: int) -> None:
        add(f"{name}.norm", c)
        if encoder:
            add(f"{name}.qkv", 3 * c, c, 1)
            add(f"{name}.proj_out", c, c, 1)
            return
        add(f"{name}.proj_in", c, c)
        add(f"{name}.proj_out", c, c)
        layer = f"{name}.transformer_blocks.0"
        for i, read in ((1, c), (2, context)):
            for part, inputs in (("to_q", c), ("to_k", read), ("to_v", read)):
                add(f"{layer}.attn{i}.{part}", c, inputs)
                del weights[f"{prefix}.{layer}.attn{i}.{part}.bias"]
            add(f"{layer}.attn{i}.to_out.0", c, c)
        for i in (1, 2, 3):
            add(f"{layer}.norm{i}", c)
        add(f"{layer}.ff.net.0.proj", 8 * c, c)
        add(f"{layer}.ff.net.2", c, 4 * c)

    add("time_embed.0", time, width)
    add("time_embed.2", time, time)
    add("input_blocks.0.0", width, 4, 3, 3)
    skips, c, i = [width], width, 1
    for level, factor in enumerate(mult):
        for _ in range(depth):
            block(f"input_blocks.{i}.0", c, factor * width)
            c = factor * width
            if level in attending:
                attention(f"input_blocks.{i}.1", c)
            skips.append(c)
            i += 1
        if level < len(mult) - 1:
            add(f"input_blocks.{i}.0.op", c, c, 3, 3)
            skips.append(c)
            i += 1
    block("middle_block.0", c, c)
    attention("middle_block.1", c)
    block("middle_block.2", c, c)
    if encoder:
        for level, factor in enumerate(mult):
            block(f"fea_tran.{level}", factor * width, guidance)
        return weights
    i = 0
    for level, factor in reversed(list(enumerate(mult))):
        for layer in range(depth + 1):
            block(f"output_blocks.{i}.0", c + skips.pop(), factor * width)
            c, part = factor * width, 1
            if level in attending:
                attention(f"output_blocks.{i}.1", c)
                part = 2
            if level and layer == depth:
                add(f"output_blocks.{i}.{part}.conv", c, c, 3, 3)
            i += 1
    add("out.0", c)
    add("out.2", 4, c, 3, 3)
    return weights
