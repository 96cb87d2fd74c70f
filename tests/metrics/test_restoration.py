import math

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from segsr.errors import SegSRError
from segsr.metrics.restoration import luma, psnr_y, restoration_metrics, ssim_y

Picture = npt.NDArray[np.uint8]


def bicubic_round_trip(hq: Picture, factor: int) -> Picture:
    """What Pillow's bicubic filter makes of a photograph shrunk by `factor`."""
    image = Image.fromarray(hq)
    small = image.resize((image.width // factor, image.height // factor), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def as_batch(*pictures: Picture) -> torch.Tensor:
    return torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1) for p in pictures]) / 255


@pytest.fixture(scope="module")
def hq() -> list[Picture]:
    return [skimage.data.astronaut()[:200, 100:320], skimage.data.chelsea()[50:250, 100:320]]


@pytest.fixture(scope="module")
def restored(hq: list[Picture]) -> list[Picture]:
    return [bicubic_round_trip(picture, 4) for picture in hq]


def test_luma_is_that_of_skimage(hq: list[Picture]) -> None:
    ours = luma(as_batch(*hq))[:, 0].numpy()
    np.testing.assert_allclose(ours, [rgb2ycbcr(p)[..., 0] for p in hq], atol=1e-4)


def test_psnr_is_that_of_skimage_on_luma(hq: list[Picture], restored: list[Picture]) -> None:
    expected = [
        peak_signal_noise_ratio(rgb2ycbcr(y)[..., 0], rgb2ycbcr(x)[..., 0], data_range=255)
        for x, y in zip(restored, hq, strict=True)
    ]
    ours = psnr_y(as_batch(*restored), as_batch(*hq))
    np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize("noise", [0, 60])
def test_ssim_is_that_of_skimage_without_its_negative_part(
    hq: list[Picture], restored: list[Picture], noise: int
) -> None:
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        for picture in restored
    ]
    expected = []
    for x, y in zip(noisy, hq, strict=True):
        _, ssim_map = structural_similarity(
            rgb2ycbcr(x)[..., 0].round(),
            rgb2ycbcr(y)[..., 0].round(),
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        # The luminance term is positive, so clipping the product clips the other term.
        expected.append(ssim_map[5:-5, 5:-5].clip(min=0).mean())
    np.testing.assert_allclose(ssim_y(as_batch(*noisy), as_batch(*hq)), expected, atol=2e-5)


def test_flat_images_have_a_closed_form() -> None:
    black, grey = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.6)  # 153 of 255
    luma_black, luma_grey = 16, 16 + 219 * 0.6
    expected = 20 * math.log10(255 / (luma_grey - luma_black))
    assert psnr_y(grey, black).item() == pytest.approx(expected, abs=1e-4)
    c1, rounded = 2.55**2, round(luma_grey)
    ssim = (2 * luma_black * rounded + c1) / (luma_black**2 + rounded**2 + c1)
    assert ssim_y(grey, black).item() == pytest.approx(ssim, abs=5e-5)


def test_equal_images_score_80_db_and_1() -> None:
    image = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    assert psnr_y(image, image).item() == pytest.approx(80)
    assert ssim_y(image, image).item() == pytest.approx(1)


def test_float_images_score_as_their_8_bit_files(hq: list[Picture]) -> None:
    image = as_batch(hq[0])
    wobble = torch.empty_like(image).uniform_(-0.4, 0.4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(psnr_y(image + wobble / 255, image), psnr_y(image, image))
    overshoot = torch.where(image > 0.5, image + 1, image)
    clipped = torch.where(image > 0.5, torch.ones_like(image), image)
    torch.testing.assert_close(ssim_y(overshoot, image), ssim_y(clipped, image))


def test_mixed_precision_does_not_move_the_scores(
    hq: list[Picture], restored: list[Picture]
) -> None:
    x, y = as_batch(*restored), as_batch(*hq)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ssim_y(x, y), ssim_y(x, y).float())
        inside = psnr_y(x, y), ssim_y(x, y)
    assert torch.equal(inside[0], psnr_y(x, y))
    assert torch.equal(inside[1], ssim_y(x, y))


def test_the_collection_averages_over_images(hq: list[Picture], restored: list[Picture]) -> None:
    metrics = restoration_metrics()
    for x, y in zip(restored, hq, strict=True):
        metrics.update(as_batch(x), as_batch(y))
    x, y = as_batch(*restored), as_batch(*hq)
    scores = metrics.compute()
    assert set(scores) == {"psnr", "ssim"}
    torch.testing.assert_close(scores["psnr"], psnr_y(x, y).mean())
    torch.testing.assert_close(scores["ssim"], ssim_y(x, y).mean())


def test_images_below_the_window_are_refused() -> None:
    with pytest.raises(SegSRError, match="at least 11x11 pixels, got 10x40"):
        ssim_y(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))
