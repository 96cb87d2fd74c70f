"""The half U-Net and what is built on it: sizes, time, silence."""

import tiny
import torch

from segsr.nets.time_aware_encoder import TimeAwareEncoder, add_guidance, keep_guidance


def test_one_map_per_level() -> None:
    torch.manual_seed(0)
    encoder = TimeAwareEncoder(3, 8, (8, 8, 16), 1, (2,), heads=2, norm_groups=4)
    maps = encoder(torch.randn(2, 3, 16, 24), torch.tensor([0, 999]))
    assert [tuple(m.shape) for m in maps] == [(2, 8, 16, 24), (2, 8, 8, 12), (2, 8, 4, 6)]


def test_the_maps_depend_on_input_and_time() -> None:
    torch.manual_seed(0)
    encoder = TimeAwareEncoder(3, 8, (8, 8), 1, (), norm_groups=4)
    x = torch.randn(1, 3, 8, 8)
    early, late = (encoder(x, torch.tensor([t])) for t in (10, 900))
    other = encoder(x + 1, torch.tensor([10]))
    for at_first, at_last, of_another in zip(early, late, other, strict=True):
        assert not torch.allclose(at_first, at_last)
        assert not torch.allclose(at_first, of_another)


def test_a_silent_encoder_returns_zero_and_learns() -> None:
    torch.manual_seed(0)
    encoder = TimeAwareEncoder(3, 8, (8, 8), 1, (), norm_groups=4, silent=True)
    maps = encoder(torch.randn(1, 3, 8, 8), torch.tensor([10]))
    assert all(not m.any() for m in maps)
    sum((m - 1).square().sum() for m in maps).backward()
    assert all(p.weight.grad.abs().max() > 0 for p in encoder.projections)


def test_guidance_arithmetic() -> None:
    first, second = (torch.ones(2, 1, 4, 4),), (torch.full((2, 1, 4, 4), 2.0),)
    (total,) = add_guidance(first, keep_guidance(second, torch.tensor([1.0, 0.0])))
    assert total[0].unique().tolist() == [3.0]
    assert total[1].unique().tolist() == [1.0]


def test_the_seg_denoiser_uses_mask_feature_aid_and_time() -> None:
    torch.manual_seed(0)
    net = tiny.seg_denoiser().eval()
    masks = torch.randint(tiny.CLASSES, (1, 16, 16))
    features = torch.randn(1, 8, 16, 16)
    t = torch.tensor([500])
    aid = tuple(torch.randn(1, tiny.WIDTH, w, w) for w in (16, 8))
    plain = net(masks, t, features)
    assert plain.shape == (1, tiny.CLASSES, 16, 16)
    assert torch.equal(plain, net(masks, t, features, tuple(0 * z for z in aid)))
    for other in (
        net((masks + 1) % tiny.CLASSES, t, features),
        net(masks, t + 300, features),
        net(masks, t, features + 1),
        net(masks, t, features, aid),
    ):
        assert not torch.allclose(plain, other)


def test_features_of_another_grid_are_resized() -> None:
    net = tiny.seg_denoiser().eval()
    masks = torch.randint(tiny.CLASSES, (1, 8, 8))
    coarse = torch.randn(1, 8, 8, 8)
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    t = torch.tensor([500])
    torch.testing.assert_close(net(masks, t, fine), net(masks, t, coarse))
