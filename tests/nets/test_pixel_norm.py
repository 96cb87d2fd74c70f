"""Networks with per-pixel normalisation are strictly local: a tile is a piece of the whole."""

import local
import pytest
import tiny
import torch
from torch import nn

from segsr.nets.bridge import DualModalityBridge
from segsr.nets.pixel_norm import PixelNorm, normalise_pixels
from segsr.nets.seg_denoiser import SegDenoiser

MARGIN, SIDE = 64, 160
T = torch.tensor([499])


def test_it_is_a_layer_norm_of_every_pixel() -> None:
    x = torch.randn(2, 6, 5, 7)
    norm, reference = PixelNorm(6), nn.LayerNorm(6)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    reference.load_state_dict(norm.state_dict())
    expected = reference(x.movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_mixed_precision_keeps_its_type() -> None:
    x = torch.randn(1, 8, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert PixelNorm(8)(x).dtype == torch.bfloat16


def test_every_group_norm_is_replaced_wherever_it_stands() -> None:
    net = tiny.bridge()
    normalise_pixels(net)
    assert not any(isinstance(m, nn.GroupNorm) for m in net.modules())


@torch.no_grad()
def test_a_tile_of_the_image_branch_is_a_piece_of_the_whole() -> None:
    branch = local.image_branch()
    state, lq = torch.randn(2, 1, tiny.LATENTS, SIDE, SIDE).unbind(0)
    whole = branch.denoise(state, T, lq)
    rows = slice(0, 2 * MARGIN)
    tile = branch.denoise(state[..., rows, :], T, lq[..., rows, :])
    torch.testing.assert_close(tile[..., :MARGIN, :], whole[..., :MARGIN, :], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("part", ["control", "aid", "denoiser"])
def test_so_is_a_tile_of_the_other_networks(part) -> None:
    torch.manual_seed(0)
    bridge = DualModalityBridge(
        tiny.CLASSES, 4, 8, 8, (8, 8), (8, 8), norm_groups=4, norm_type="pixel"
    )
    for encoder in (bridge.seg_controller, bridge.image_aid):
        for projection in encoder.projections:
            nn.init.normal_(projection.weight)
    masks = torch.randint(tiny.CLASSES, (1, SIDE, SIDE))
    latents = torch.randn(1, 4, SIDE, SIDE)
    net = SegDenoiser(tiny.CLASSES, 4, 8, (8, 16), 1, (), 4, norm_groups=4, norm_type="pixel")
    calls = {
        "control": lambda rows: bridge.control(masks[:, rows], T),
        "aid": lambda rows: bridge.aid(latents[:, :, rows], T),
        "denoiser": lambda rows: (net(masks[:, rows], T, latents[:, :, rows]),),
    }
    whole, tile = calls[part](slice(None)), calls[part](slice(0, 2 * MARGIN))
    for found, expected in zip(tile, whole, strict=True):
        core = MARGIN * found.shape[-1] // SIDE
        torch.testing.assert_close(found[..., :core, :], expected[..., :core, :], atol=1e-5, rtol=0)
