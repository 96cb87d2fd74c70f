"""Colours taken from the photograph, against scipy, in bands of rows and in whole."""

import numpy as np
import pytest
import tiny
import torch
from scipy import ndimage

from segsr.inference import colour
from segsr.inference.colour import adain, low_frequencies, match_colour_, wavelet
from segsr.inference.memory import Layout
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.tiles import Tiling
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator

KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16


def photograph(*shape: int) -> torch.Tensor:
    """Smooth colours with fine noise, in [0, 1]."""
    g = generator("colours", *shape)
    coarse = torch.rand(1, 3, 4, 5, generator=g)
    smooth = torch.nn.functional.interpolate(coarse, shape, mode="bilinear")[0]
    return (0.8 * smooth + 0.2 * torch.rand(3, *shape, generator=g)).clamp(0, 1)


def low_by_scipy(image: np.ndarray) -> np.ndarray:
    """Each channel, the kernel dilated by inserting zeros, edges repeated."""
    for level in range(5):
        step = 2**level
        dilated = np.zeros((2 * step + 1, 2 * step + 1))
        dilated[::step, ::step] = KERNEL
        image = np.stack([ndimage.convolve(channel, dilated, mode="nearest") for channel in image])
    return image


@pytest.mark.parametrize("size", [(70, 90), (7, 40)])
def test_low_frequencies_are_those_of_scipy(size) -> None:
    image = photograph(*size)
    expected = low_by_scipy(image.double().numpy())
    np.testing.assert_allclose(low_frequencies(image).numpy(), expected, atol=1e-6)


def test_wavelet_is_high_over_low() -> None:
    image, reference = (photograph(64, 64 + i).narrow(2, 0, 64) for i in range(2))
    exact, wanted = image.double().numpy(), reference.double().numpy()
    expected = exact - low_by_scipy(exact) + low_by_scipy(wanted)
    np.testing.assert_allclose(wavelet(image, reference).numpy(), expected, atol=1e-6)


def test_adain_gives_each_channel_the_other_mean_and_deviation() -> None:
    image, reference = (photograph(48, 40 + i).narrow(2, 0, 40) for i in range(2))
    found, wanted = (x.double().numpy() for x in (adain(image, reference), reference))
    np.testing.assert_allclose(found.mean((1, 2)), wanted.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(found.std((1, 2)), wanted.std((1, 2)), rtol=1e-3)
    exact = image.double().numpy()
    for before, after in zip(exact, found, strict=True):  # and is a straight line of it
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 1 - 1e-9


def test_a_flat_picture_takes_the_colour_and_no_texture() -> None:
    flat, reference = torch.full((3, 40, 40), 0.2), photograph(40, 40)
    found = adain(flat, reference)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[:, 0, 0], reference.mean((1, 2)))


@pytest.mark.parametrize("how", ["adain", "wavelet"])
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_bands_change_nothing(how, kind, monkeypatch) -> None:
    lq = photograph(53, 21)
    shifted = (to_canvas(lq[None])[0] * 0.9 + 0.06 + 0.05 * torch.randn(3, 212, 84)).clamp(0, 1)
    expected = {"adain": adain, "wavelet": wavelet}[how]
    image = (255 * shifted).round() / 255 if kind == torch.uint8 else shifted
    whole = expected(image, to_canvas(lq[None])[0]).clamp(0, 1)
    monkeypatch.setattr(colour, "_PIXELS", 70 * 84)  # rows of 70
    given = (255 * image).round().byte() if kind == torch.uint8 else image.clone()
    match_colour_(given, lq, how)
    assert given.dtype == kind
    if kind == torch.uint8:
        off = (given.float() - 255 * whole).abs()
        assert off.max() <= 0.5 + 1e-3
    else:
        torch.testing.assert_close(given, whole, atol=2e-6, rtol=0)


def test_none_is_none() -> None:
    image = photograph(40, 40)
    before = image.clone()
    match_colour_(image, photograph(10, 10), "none")
    assert torch.equal(image, before)


def test_a_cast_is_taken_back() -> None:
    lq = photograph(30, 40)
    cast = torch.tensor([0.05, 0.0, -0.04])[:, None, None]
    image = (to_canvas(lq[None])[0] * 0.9 + 0.05 + cast).clamp(0, 1)
    match_colour_(image, lq, "wavelet")
    shift = (image - to_canvas(lq[None])[0]).mean((1, 2)).abs() * 255
    assert shift.max() < 0.5


@pytest.mark.parametrize("how", ["adain", "wavelet"])
def test_photographs_that_go_in_bands_have_their_colours_too(how, monkeypatch) -> None:
    pipeline = SegSRPipeline(tiny.joint(seed=1).model.eval())
    pipeline.set_progress_bar_config(disable=True)
    lq = photograph(80, 24)
    in_bands = Layout(Tiling(40, 4, 2), 40, 8, 2)
    monkeypatch.setattr(SegSRPipeline, "lay_out", lambda *a: in_bands)
    found = pipeline(lq, colour=how, temperature=0)
    assert found.image.dtype == torch.uint8
    shift = (found.image.float() - 255 * to_canvas(lq[None])[0]).mean((1, 2)).abs()
    assert shift.max() < 0.5
    plain = pipeline(lq, colour="none", temperature=0).image.float()
    assert (plain - 255 * to_canvas(lq[None])[0]).mean((1, 2)).abs().max() > 0.5
