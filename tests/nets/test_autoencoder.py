"""The patch autoencoder against numpy's principal components, and the range's one owner."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from skimage import data
from skimage.util import view_as_blocks

from segsr.nets.autoencoder import Autoencoder
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.resize_codec import decode_mask, encode_mask


def photo() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[:256, :256].copy()).permute(2, 0, 1)[None] / 255


def test_the_basis_is_the_principal_components() -> None:
    codec = PatchAutoencoder(4, 10)
    image = photo() * 2 - 1
    codec.fit(image)
    blocks = view_as_blocks(image[0].permute(1, 2, 0).numpy().copy(), (4, 4, 3))
    patches = blocks.reshape(-1, 4, 4, 3).transpose(0, 3, 1, 2).reshape(-1, 48)
    centred = patches - patches.mean(0)
    _, s, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    best_possible = (s[10:] ** 2).sum() / centred.size  # Eckart and Young
    restored = codec.decode(codec.encode(image).latent_dist.mode()).sample
    assert float((restored - image).square().mean()) == pytest.approx(best_possible, rel=1e-4)
    basis = codec.encoder.flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(10), atol=1e-5, rtol=0)


def test_all_components_restore_the_image_exactly() -> None:
    codec = PatchAutoencoder(4, 48, scaling_factor=1.25)
    codec.fit(photo() * 2 - 1)
    autoencoder = Autoencoder(codec)
    latents = autoencoder.encode(photo())
    assert latents.shape == (1, 48, 64, 64)
    torch.testing.assert_close(autoencoder.decode(latents), photo(), atol=1e-5, rtol=0)


def test_more_components_than_a_patch_has_are_refused() -> None:
    with pytest.raises(ValueError, match=r"13.*only 12"):
        PatchAutoencoder(2, 13)


def test_stable_diffusions_autoencoder_has_the_same_interface() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        scaling_factor=0.5,
    ).eval()
    autoencoder = Autoencoder(vae)
    assert autoencoder.factor == 2
    with torch.no_grad():
        latents = autoencoder.encode(photo()[..., :32, :32])
        expected = vae.encode(photo()[..., :32, :32] * 2 - 1).latent_dist.mode() * 0.5
        drawn = autoencoder.encode(photo()[..., :32, :32], torch.Generator().manual_seed(0))
        image = autoencoder.decode(latents)
    assert torch.equal(latents, expected)
    assert latents.shape == (1, 4, 16, 16)
    assert not torch.equal(latents, drawn)
    assert image.shape == (1, 3, 32, 32)


def test_mask_codec_keeps_large_regions() -> None:
    mask = torch.zeros(1, 64, 64, dtype=torch.long)
    mask[:, :, 32:] = 5
    grid = encode_mask(mask, 4)
    assert grid.shape == (1, 16, 16)
    logits = torch.nn.functional.one_hot(grid, 6).movedim(-1, 1).float()
    assert torch.equal(decode_mask(logits, 4), mask)
