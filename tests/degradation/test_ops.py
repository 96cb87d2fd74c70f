from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image

from segsr.degradation.ops import (
    blur,
    fast_fft_length,
    gaussian_blur,
    quantise,
    resize,
    sharpen,
)
from segsr.seeding import generator


@pytest.mark.parametrize("size", [(40, 33), (9, 64), (5, 3), (1, 1)])
def test_blur_correlates_each_image_with_its_own_kernel(size):
    images = torch.rand(2, 3, *size, generator=generator(0))
    kernels = torch.rand(2, 21, 21, generator=generator(1)) / 200
    result = blur(images, kernels)
    for i in range(2):
        for c in range(3):
            expected = scipy.ndimage.correlate(
                images[i, c].numpy(), kernels[i].numpy(), mode="mirror"
            )
            np.testing.assert_allclose(result[i, c].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(300, 129), (20, 70), (128, 4)])
def test_gaussian_blur_is_the_one_of_scipy(size):
    images = torch.rand(1, 3, *size, generator=generator(0))
    expected = scipy.ndimage.gaussian_filter(
        images.numpy(), (0, 0, 8, 8), radius=(0, 0, 25, 25), mode="mirror"
    )
    np.testing.assert_allclose(gaussian_blur(images, 8.0, 51).numpy(), expected, atol=1e-6)


def test_area_is_the_mean_of_what_a_pixel_covers():
    image = torch.rand(1, 3, 128, 64, generator=generator(0))
    means = image.numpy().reshape(3, 32, 4, 16, 4).mean((2, 4))
    np.testing.assert_allclose(resize(image, (32, 16), "area")[0].numpy(), means, atol=1e-6)


@pytest.mark.parametrize("size", [(13, 29), (100, 71), (40, 33)])
def test_bilinear_and_bicubic_weigh_the_nearest_pixels(size):
    """Against a numpy version: Keys' cubic of a = -0.75 and the triangle, borders repeated."""

    def cubic(d):
        d = abs(d)
        near = (1.25 * d - 2.25) * d * d + 1
        far = -0.75 * (((d - 5) * d + 8) * d - 4)
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    def matrix(old, new, weigh, reach):
        weights = np.zeros((new, old))
        for i in range(new):
            place = (i + 0.5) * old / new - 0.5
            if reach == 1:  # torch takes what lies before the first sample as the first
                place = max(place, 0)
            for j in range(int(np.floor(place)) - reach + 1, int(np.floor(place)) + reach + 1):
                weights[i, min(max(j, 0), old - 1)] += weigh(place - j)
        return weights

    image = torch.rand(1, 1, 40, 33, generator=generator(0))
    for mode, weigh, reach in (
        ("bilinear", lambda d: max(0, 1 - abs(d)), 1),
        ("bicubic", cubic, 2),
    ):
        rows, columns = (
            matrix(old, new, weigh, reach) for old, new in zip((40, 33), size, strict=True)
        )
        expected = rows @ image[0, 0].double().numpy() @ columns.T
        np.testing.assert_allclose(resize(image, size, mode)[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "filter_"),
    [("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)],
)
def test_with_antialias_shrinking_is_that_of_pillow(photos, mode, filter_):
    image = photos[0][..., :128, :64]
    expected = [
        np.asarray(Image.fromarray(channel.numpy()).resize((16, 32), filter_))
        for channel in image[0]
    ]
    result = resize(image, (32, 16), mode, antialias=True)
    np.testing.assert_allclose(result[0].numpy(), np.stack(expected), atol=1e-5)


def test_sharpening_is_that_of_a_numpy_version(photos):
    for photo in photos:
        image = photo[0].double().numpy()

        def smooth(x):
            return scipy.ndimage.gaussian_filter(x, (0, 8, 8), radius=(0, 25, 25), mode="mirror")

        residual = image - smooth(image)
        detail = smooth((np.abs(residual) * 255 > 10).astype(float))
        sharp = np.clip(image + 0.5 * residual, 0, 1)
        expected = detail * sharp + (1 - detail) * image
        # a residual within rounding of the threshold may fall on either side of it
        assert np.abs(sharpen(photo)[0].numpy() - expected).max() < 1e-4


def test_sharpening_leaves_smooth_areas_alone():
    ramp = torch.linspace(0.2, 0.4, 200).expand(1, 3, 150, 200)
    torch.testing.assert_close(sharpen(ramp), ramp)


def test_quantised_images_are_what_a_file_holds():
    images = torch.tensor([-0.2, 0.0019, 0.0020, 0.5, 1.3]).view(1, 1, 1, 5)
    assert (quantise(images) * 255).round().flatten().tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize(("n", "fast"), [(1, 1), (7, 8), (532, 540), (540, 540), (1021, 1024)])
def test_fast_lengths_have_no_prime_factor_above_five(n, fast):
    assert fast_fft_length(n) == fast


@pytest.mark.parametrize(
    "operate",
    [
        lambda x: blur(x, torch.full((1, 7, 7), 1 / 49, dtype=x.dtype)),
        lambda x: gaussian_blur(x, 2.0, 9),
        lambda x: resize(x, (5, 7), "bicubic"),
        lambda x: sharpen(x, size=9, sigma=2.0, threshold=0.0),
    ],
    ids=["blur", "gaussian_blur", "resize", "sharpen"],
)
def test_operations_are_differentiable(operate):
    image = torch.rand(1, 1, 6, 8, generator=generator(0), dtype=torch.float64) * 0.4 + 0.3
    assert torch.autograd.gradcheck(operate, image.requires_grad_(), atol=1e-4)
