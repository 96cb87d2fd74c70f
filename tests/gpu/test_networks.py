"""Every network computes on the device what it computes on the CPU."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import tiny
import torch
from torch.utils._pytree import tree_leaves, tree_map

from segsr.diffusion.noise import Noise
from segsr.model.joint import JointModel
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator

pytestmark = pytest.mark.gpu


def compact() -> JointModel:
    """The packaged model, its bridge as after some training: what it says is all zeros."""
    torch.manual_seed(0)
    model = JointModel.from_pretrained("compact")
    tiny.wake(model.bridge)
    return model


MODELS = {"tiny": lambda: tiny.joint().eval().model, "compact": compact}
TOLERANCES = {"float32": 1e-4, "bf16": 2e-2}
"""Largest difference from float32 on the CPU, over the largest value; or, where bfloat16 on the CPU
is itself further off, as in the compact prior, half as much again as there."""
NETWORKS = {
    "autoencoder, encoding": lambda m, x: m.image.autoencoder.encode(x["hq"]),
    "autoencoder, decoding": lambda m, x: m.image.autoencoder.decode(x["latents"]),
    "controller": lambda m, x: m.image.controller(x["latents"], x["t"]),
    "denoiser": lambda m, x: m.image.denoise(x["state"], x["t"], x["latents"], x["guidance"]),
    "prior": lambda m, x: tuple(m.mask.prior(x["hq"])),
    "seg denoiser": lambda m, x: m.mask.denoiser(x["masks"], x["t"], x["features"], x["aid"]),
    "bridge, to the image": lambda m, x: m.bridge.control(x["masks"], x["t"]),
    "bridge, to the mask": lambda m, x: m.bridge.aid(x["latents"], x["t"]),
}


@cache
def on_cpu(size: str) -> tuple[JointModel, dict[str, Any]]:
    """A model, and inputs of all its networks as it would itself make them."""
    model = MODELS[size]()
    g = generator("inputs")
    lq = torch.rand(2, 3, 16, 32, generator=g)
    t = torch.tensor([999, 249])
    with torch.no_grad():
        canvas = to_canvas(lq)
        latents = model.image.encode(canvas)
        features = model.mask.read(canvas).features
        masks = model.mask.start_state(features, Noise([(0,), (1,)]))
        return model, {
            "hq": canvas,
            "t": t,
            "latents": latents,
            "state": torch.randn(latents.shape, generator=g),
            "guidance": model.image.controller(latents, t),
            "features": features,
            "masks": masks,
            "aid": model.bridge.aid(latents, t),
        }


@cache
def on_device(size: str, device: torch.device) -> tuple[JointModel, dict[str, Any]]:
    model, inputs = on_cpu(size)
    return copy.deepcopy(model).to(device), tree_map(lambda x: x.to(device), inputs)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", MODELS)
def test_a_network_computes_what_the_cpu_computes(device, size, network, precision) -> None:
    expected = outputs(network, on_cpu(size), None)
    dtype = torch.bfloat16 if precision == "bf16" else None
    found = outputs(network, on_device(size, device), dtype)
    on_cpu_too = outputs(network, on_cpu(size), dtype)
    assert len(found) == len(expected)
    for ours, reference, theirs in zip(found, expected, on_cpu_too, strict=True):
        assert ours.device.type == device.type
        allowed = max(TOLERANCES[precision], 1.5 * error(theirs, reference))
        assert error(ours, reference) <= allowed


def outputs(
    network: str, model_and_inputs: tuple[JointModel, dict[str, Any]], dtype: torch.dtype | None
) -> list[torch.Tensor]:
    """What a network returns, under autocast to `dtype` if there is one."""
    model, inputs = model_and_inputs
    enabled = dtype is not None
    with torch.no_grad(), torch.autocast(model.device.type, dtype, enabled=enabled):
        return tree_leaves(NETWORKS[network](model, inputs))


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.float().cpu() - expected).abs().max() / expected.abs().max())
