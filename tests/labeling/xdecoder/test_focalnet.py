"""The backbone's two kinds of blocks, against their equations written out."""

import pytest
import torch
from torch.nn import functional as F

from segsr.labeling.xdecoder.focalnet import FocalBlock, FocalModulation, FocalNet


def randomize(module, seed=0):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=g))
    return module.eval().requires_grad_(False)


def images(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def conv(x, layer):
    return layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def test_focal_ts_block_adds_depthwise_residuals_and_normalises_sums() -> None:
    block, x = randomize(FocalBlock(8, (3, 5, 7), 20, depthwise=True)), images(2, 6, 5, 8)
    y = x + conv(x, block.dw1)
    y = block.norm1(y + block.gamma_1 * block.modulation(y))
    y = y + conv(y, block.dw2)
    expected = block.norm2(y + block.gamma_2 * block.mlp(y))
    torch.testing.assert_close(block(x), expected)


def test_focal_ls_block_normalises_what_it_adds() -> None:
    block, x = randomize(FocalBlock(8, (3, 5), 20, depthwise=False)), images(2, 6, 5, 8)
    y = x + block.gamma_1 * block.norm1(block.modulation(x))
    torch.testing.assert_close(block(x), y + block.gamma_2 * block.norm2(block.mlp(y)))
    assert not any(name.startswith("dw") for name, _ in block.named_parameters())


def test_modulation_of_a_flat_image_is_the_closed_form() -> None:
    """Without focal levels only the mean context is left, gated at each pixel."""
    layer, x = randomize(FocalModulation(4, ())), images(1, 3, 2, 4)
    query, context, gate = layer.f(x).split((4, 4, 1), dim=-1)
    whole = F.gelu(context.mean((1, 2), keepdim=True))
    torch.testing.assert_close(layer(x), layer.proj(query * conv(whole * gate, layer.h)))


@pytest.mark.parametrize("depthwise", [False, True])
def test_strides_widths_and_exported_norms(depthwise) -> None:
    net = randomize(FocalNet(8, (1, 2, 1), ((3,), (3, 5), (5, 7)), 2.0, depthwise))
    x = images(2, 3, 32, 48)
    features = net(x)
    assert [f.shape for f in features] == [(2, 8, 8, 12), (2, 16, 4, 6), (2, 32, 2, 3)]
    net.norms[0].weight.mul_(3)
    net.norms[0].bias.mul_(3)
    again = net(x)
    torch.testing.assert_close(again[0], 3 * features[0])
    for f, g in zip(features[1:], again[1:], strict=True):
        torch.testing.assert_close(f, g, rtol=0, atol=0)  # later stages read what comes before
    assert net.stem.proj.padding == ((3, 3) if depthwise else (2, 2))
