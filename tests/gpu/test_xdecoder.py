"""X-Decoder on the device: the reference run's random weights, the CPU's scores."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from labeling.xdecoder.conftest import shapes, weights  # noqa: F401  (fixtures)
from segsr.labeling.xdecoder.checkpoint import load_xdecoder
from segsr.seeding import generator

pytestmark = pytest.mark.gpu


def test_scores_and_prompts_are_the_cpus(device, weights) -> None:  # noqa: F811
    net = load_xdecoder(weights, heads=4, text_heads=4).network
    g = generator("xdecoder")
    images = torch.rand(2, 3, 60, 90, generator=g)
    text = F.normalize(torch.randn(4, net.config.embedding_width, generator=g), dim=1)
    ids = torch.randint(1, 60, (3, 7), generator=g)
    ids[:, -1] = 63  # the end of a prompt is its largest token
    with torch.no_grad():
        expected = (net.semantic(images, text, (50, 70)), net.text_encoder(ids))
        net.to(device)
        found = (
            net.semantic(images.to(device), text.to(device), (50, 70)),
            net.text_encoder(ids.to(device)),
        )
    for ours, reference in zip(found, expected, strict=True):
        assert ours.device.type == device.type
        worst = (ours.cpu() - reference).abs() / reference.abs().max()
        assert (worst <= 1e-4).float().mean() >= 0.99  # a mask's edge may fall to the other side
