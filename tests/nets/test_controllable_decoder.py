"""The controllable decoder: at weight 0 the plain one, else StableSR's fusions at its levels."""

import pytest
import stablesr
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from segsr.checkpoints.stablesr import read_cfw
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.controllable_decoder import ControllableDecoder

WIDTHS = (32, 32, 64, 64)
WEIGHTS = stablesr.cfw_weights({2: 64, 1: 32})


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=WIDTHS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    ).eval()


def fused(level: int, encoded: Tensor, decoded: Tensor) -> Tensor:
    """The fusion of one decoder level, written out with the checkpoint's own names."""

    def conv(name: str, x: Tensor, padding: int = 1) -> Tensor:
        at = f"decoder.fusion_layer_{level}.{name}"
        return F.conv2d(x, WEIGHTS[f"{at}.weight"], WEIGHTS[f"{at}.bias"], padding=padding)

    def norm(name: str, x: Tensor) -> Tensor:
        at = f"decoder.fusion_layer_{level}.{name}"
        return F.group_norm(x, 32, WEIGHTS[f"{at}.weight"], WEIGHTS[f"{at}.bias"], 1e-6)

    def residual(name: str, x: Tensor) -> Tensor:
        h = conv(f"{name}.conv1", F.silu(norm(f"{name}.norm1", x)))
        h = conv(f"{name}.conv2", F.silu(norm(f"{name}.norm2", h)))
        return h + (conv(f"{name}.conv_out", x, 0) if h.shape != x.shape else x)

    h = residual("encode_enc_1", torch.cat([encoded, decoded], 1))
    for i in range(2):
        start = h
        for j in (1, 2, 3):
            name, features = f"encode_enc_2.{i}.rdb{j}", [h]
            for k in range(1, 5):
                features.append(F.leaky_relu(conv(f"{name}.conv{k}", torch.cat(features, 1)), 0.2))
            h = h + 0.2 * conv(f"{name}.conv5", torch.cat(features, 1))
        h = start + 0.2 * h
    return residual("encode_enc_3", h)


@torch.no_grad()
def test_the_fusions_are_their_equations_at_their_levels(vae) -> None:
    """Hooks on the plain encoder and decoder put the written-out fusions in their places."""
    cfw = read_cfw(WEIGHTS)
    latents, lq, weight = torch.randn(1, 4, 4, 6), torch.rand(1, 3, 32, 48) * 2 - 1, 0.7
    seen, hooks = {}, []
    for level in (1, 2):
        hooks.append(
            vae.encoder.down_blocks[level]
            .resnets[-1]
            .register_forward_hook(lambda _, __, output, level=level: seen.update({level: output}))
        )
        hooks.append(
            vae.decoder.up_blocks[3 - level]
            .resnets[-1]
            .register_forward_hook(
                lambda _, __, output, level=level: (
                    output + weight * fused(level, seen[level], output)
                )
            )
        )
    vae.encode(lq)
    expected = vae.decode(latents).sample
    for hook in hooks:
        hook.remove()
    assert {level: tuple(f.shape[1:]) for level, f in seen.items()} == {
        1: (32, 16, 24),
        2: (64, 8, 12),
    }
    torch.testing.assert_close(cfw(vae, latents, lq, weight), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_weight_0_is_the_plain_decoder_to_the_bit(vae) -> None:
    cfw = read_cfw(WEIGHTS)
    latents, lq = torch.randn(2, 4, 4, 4), torch.rand(2, 3, 32, 32)
    plain, faithful = Autoencoder(vae), Autoencoder(vae, cfw)
    assert torch.equal(faithful.decode(latents, lq, 0.0), plain.decode(latents))
    assert torch.equal(faithful.decode(latents), plain.decode(latents))
    assert torch.equal(plain.decode(latents, lq, 1.0), plain.decode(latents))
    assert not torch.allclose(faithful.decode(latents, lq, 1.0), plain.decode(latents), atol=1e-2)


@torch.no_grad()
def test_silent_fusions_leave_the_decoder_as_it_is(vae) -> None:
    """Our walk through the decoder is the decoder's own."""
    cfw = ControllableDecoder((64, 32), depth=1, growth=4)
    for fusion in cfw.fusions:
        for parameter in (*fusion.leave.conv2.parameters(), *fusion.enter.parameters()):
            parameter.zero_()
        for block in fusion.dense:
            for parameter in block.parameters():
                parameter.zero_()
    latents, lq = torch.randn(1, 4, 4, 4), torch.rand(1, 3, 32, 32)
    assert torch.equal(cfw(vae, latents, lq, 1.0), vae.decode(latents).sample)


@torch.no_grad()
def test_the_images_range_has_one_owner(vae) -> None:
    cfw = read_cfw(WEIGHTS)
    latents, lq = torch.randn(1, 4, 4, 4), torch.rand(1, 3, 32, 32)
    ours = Autoencoder(vae, cfw).decode(latents, lq, 0.5)
    expected = cfw(vae, latents / vae.config.scaling_factor, lq * 2 - 1, 0.5)
    assert torch.equal(ours, (expected + 1) / 2)
