"""Feature networks of timm as losses: frozen, from a file, with an error for what cannot be had."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from segsr.errors import SegSRError
from segsr.nets.discriminator import FeatureDiscriminator
from segsr.seeding import generator
from segsr.training.perceptual import TimmFeatures, load_timm_features
from segsr.training.picture_loss import PictureLoss

NAME = "resnet10t.c3_in1k"


def test_the_features_are_those_of_the_weights_in_the_file(tmp_path) -> None:
    model = timm.create_model(NAME).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    network = TimmFeatures(NAME, tmp_path / "model.safetensors")
    images = torch.rand(1, 3, 64, 64)
    maps = network(images)
    normal = (images - torch.tensor(timm.data.IMAGENET_DEFAULT_MEAN).view(3, 1, 1)) / torch.tensor(
        timm.data.IMAGENET_DEFAULT_STD
    ).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(maps[-1], model.forward_features(normal))
    assert [m.shape[1] for m in maps] == network.channels
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]


def test_it_is_frozen_and_stays_in_eval_mode() -> None:
    network = TimmFeatures(NAME, pretrained=False)
    loss = PictureLoss(
        l1=0,
        l2=1,
        features=network,
        discriminator=FeatureDiscriminator(network.channels, 8, (8, 8)),
    ).train()
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())
    restored = torch.rand(1, 3, 64, 64, requires_grad=True)
    terms = loss(restored, torch.rand(1, 3, 64, 64), 10, generator(0))
    assert set(terms) == {"l2", "perceptual", "adversarial", "discriminator"}
    (gradient,) = torch.autograd.grad(terms["perceptual"], restored)
    assert gradient.any()


def test_squares_and_weights_of_the_pixels_are_as_asked() -> None:
    restored, truth = torch.rand(2, 1, 3, 8, 8)
    terms = PictureLoss(l1=0.5, l2=4.0)(restored, truth, 0, generator(0))
    torch.testing.assert_close(terms["l1"], 0.5 * (restored - truth).abs().mean())
    torch.testing.assert_close(terms["l2"], 4 * (restored - truth).square().mean())
    with pytest.raises(SegSRError, match="l1 and l2 are both 0"):
        PictureLoss(l1=0)


def test_what_cannot_be_had_is_told(tmp_path) -> None:
    assert load_timm_features(None) is None
    with pytest.raises(SegSRError, match="feature network nope cannot be had"):
        TimmFeatures("nope")
    with pytest.raises(SegSRError, match="no checkpoint"):
        TimmFeatures(NAME, tmp_path / "none.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SegSRError, match="has no weights for conv1"):
        TimmFeatures(NAME, tmp_path / "other.safetensors")
    with pytest.raises(SegSRError, match=r"gives maps of \[64, 64, 128, 256, 512\]"):
        PictureLoss(
            features=TimmFeatures(NAME, pretrained=False), discriminator=FeatureDiscriminator()
        )
