"""X-Decoders by their public names: tiny, with the reference run's weights, and full in shape."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).parent / "fixtures"
_NORM = re.compile(r"(norm\d?|ln_\d|ln_final)\.weight$")
_EMBEDDING = re.compile(r"query_|level_embed|pos_embed|token_embedding|positional_embedding")
_SQUARE = ("class_embed", "caping_embed", "lang_proj", "backbone_proj")


@pytest.fixture(scope="session")
def shapes():
    """Names to shapes: `focal_l` and `focal_t` in full, and `tiny`."""
    return json.loads((FIXTURES / "xdecoder_keys.json").read_text())


@pytest.fixture(scope="session")
def reference():
    return load_file(FIXTURES / "xdecoder_tiny.safetensors")


@pytest.fixture(scope="session")
def weights(shapes):
    """The weights with which the public code computed the outputs, drawn in the names' order."""
    g = torch.Generator().manual_seed(23)
    drawn = {}
    for name in sorted(shapes["tiny"]):
        shape = shapes["tiny"][name]
        if name.endswith("self_attn_mask"):
            drawn[name] = torch.zeros(shape, dtype=torch.bool)
        elif name == "criterion.empty_weight":
            drawn[name] = torch.ones(shape)
        else:
            noise = torch.randn(shape, generator=g)
            drawn[name] = 1 + 0.1 * noise if _NORM.search(name) else noise * std(name, shape)
    drawn["sem_seg_head.predictor.lang_encoder.logit_scale"] = torch.tensor(3.75)
    return drawn


def std(name: str, shape: list[int]) -> float:
    """Spread of a weight in the reference run."""
    if "gamma_" in name:
        return 0.5
    if _EMBEDDING.search(name):
        return 1.0
    if len(shape) < 2:
        return 0.1
    if name.endswith(_SQUARE):
        return shape[0] ** -0.5
    gain = 1.2
    if "mask_embed" in name or "mask_features" in name:
        gain = 0.9
    elif "predictor.transformer_" in name and ("out_proj" in name or "linear2" in name):
        gain = 0.35
    elif "resblocks" in name and ("out_proj" in name or "c_proj" in name):
        gain = 2.5
    return gain * torch.Size(shape[1:]).numel() ** -0.5
