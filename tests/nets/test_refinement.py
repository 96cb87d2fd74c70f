"""The refinement: silent when fresh, strictly local, able to write across seams."""

import pytest
import torch
from torch import nn

from segsr.checkpoints.folder import load_component, save_folder
from segsr.nets.patch_autoencoder import PatchAutoencoder, refined
from segsr.nets.refinement import Refinement


def codec(refine_channels: int = 0) -> PatchAutoencoder:
    net = PatchAutoencoder(4, 48, 1.25, refine_channels)
    torch.manual_seed(0)
    net.fit(torch.rand(2, 3, 64, 64))
    return net


def trained() -> Refinement:
    torch.manual_seed(1)
    net = Refinement(3, 4)
    nn.init.normal_(net.leave.weight, std=0.1)
    return net


@torch.no_grad()
def test_a_fresh_one_changes_no_bit() -> None:
    latents = torch.randn(1, 48, 8, 8)
    plain, fresh = codec(), codec(2)
    assert torch.equal(fresh.decode(latents).sample, plain.decode(latents).sample)
    assert torch.equal(
        fresh.encode(torch.ones(1, 3, 16, 16)).latent_dist.mode(),
        plain.encode(torch.ones(1, 3, 16, 16)).latent_dist.mode(),
    )


@torch.no_grad()
def test_an_older_folder_gets_one_and_keeps_its_basis(tmp_path) -> None:
    save_folder(tmp_path, {"autoencoder": codec()}, {})
    old = load_component(tmp_path, "autoencoder")
    assert old.refinement is None
    new = refined(old, 2)
    latents = torch.randn(1, 48, 8, 8)
    assert torch.equal(new.decode(latents).sample, codec().decode(latents).sample)
    assert refined(new, 2) is new
    nn.init.ones_(new.refinement.leave.weight)
    save_folder(tmp_path, {"autoencoder": new}, {})
    again = load_component(tmp_path, "autoencoder")
    assert torch.equal(again.decode(latents).sample, new.decode(latents).sample)
    assert not torch.equal(again.decode(latents).sample, codec().decode(latents).sample)


@torch.no_grad()
def test_a_tile_is_a_piece_of_the_whole() -> None:
    net, images = trained(), torch.rand(1, 3, 64, 48)
    whole, tile = net(images), net(images[..., :40, :])
    torch.testing.assert_close(tile[..., :32, :], whole[..., :32, :], atol=1e-5, rtol=0)
    assert not torch.equal(tile[..., 36:40, :], whole[..., 36:40, :])


@pytest.mark.parametrize("column", [3, 4])
def test_both_sides_of_a_seam_see_across(column) -> None:
    images = torch.rand(1, 3, 8, 8, requires_grad=True)
    (seen,) = torch.autograd.grad(trained()(images)[..., column].sum(), images)
    assert seen[..., :4].abs().sum() > 0
    assert seen[..., 4:].abs().sum() > 0
