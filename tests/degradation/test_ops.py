from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch
from PIL import Image

from segsr.degradation.ops import add_gaussian_noise, blur, jpeg, quantise, resize
from segsr.seeding import generator


@pytest.fixture(scope="module")
def photo():
    pixels = skimage.data.astronaut()
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def psnr(a, b):
    return float(-10 * torch.log10(((a - b) ** 2).mean()))


def test_blur_correlates_each_image_with_its_own_kernel():
    rng = generator(0)
    images = torch.rand(2, 3, 17, 12, generator=rng)
    kernels = torch.rand(2, 5, 5, generator=rng)
    result = blur(images, kernels)
    for i in range(2):
        for c in range(3):
            expected = scipy.ndimage.correlate(
                images[i, c].numpy(), kernels[i].numpy(), mode="mirror"
            )
            np.testing.assert_allclose(result[i, c].numpy(), expected, atol=1e-5)


def test_resize_takes_each_image_in_its_own_mode(photo):
    image = photo[:, :, :128, :64]
    result = resize(image.expand(3, -1, -1, -1), (32, 16), ["bicubic", "area", "bilinear"])
    means = image[0].reshape(3, 32, 4, 16, 4).mean((2, 4))
    torch.testing.assert_close(result[1], means)
    for i, filter_ in ((0, Image.Resampling.BICUBIC), (2, Image.Resampling.BILINEAR)):
        expected = [
            np.asarray(Image.fromarray(channel.numpy()).resize((16, 32), filter_))
            for channel in image[0]
        ]
        np.testing.assert_allclose(result[i].numpy(), np.stack(expected), atol=1e-5)


def test_without_antialias_only_the_nearest_pixels_count():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 1:3, 1:3] = 1  # the four pixels around the first sample
    result = resize(image, (2, 2), ["bilinear"], antialias=False)
    assert result.tolist() == [[[[1, 0], [0, 0]]]]


def test_noise_has_the_sigma_it_was_asked_for():
    images = torch.full((3, 3, 200, 200), 0.5)
    sigma = torch.tensor([0.02, 0.1, 0.0])
    grey = torch.tensor([False, True, False])
    noise = add_gaussian_noise(images, sigma, grey, [generator(i) for i in range(3)]) - images
    for i in range(2):
        assert abs(float(noise[i].std()) / float(sigma[i]) - 1) < 0.02
    assert noise[2].abs().max() == 0
    assert torch.equal(noise[1, 0], noise[1, 1])
    colour = noise[0].flatten(1)
    assert abs(float(torch.corrcoef(colour)[0, 1])) < 0.02


@pytest.mark.parametrize("quality", [60, 95])
def test_jpeg_is_close_to_pillows(photo, quality):
    file = io.BytesIO()
    pixels = (photo[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255
    assert psnr(jpeg(photo, torch.tensor([float(quality)])), expected) >= 38


def test_jpeg_quality_is_each_images_own(photo):
    images = photo[:, :, :51, :70].expand(2, -1, -1, -1)
    both = jpeg(images, torch.tensor([30.0, 90.0]))
    assert both.shape == images.shape
    assert psnr(both[0], images[0]) + 3 < psnr(both[1], images[1])


def test_quantise_leaves_what_a_file_can_hold():
    values = torch.tensor([[[[-0.1, 0.5, 1.2, 1 / 255]]]])
    torch.testing.assert_close(quantise(values) * 255, torch.tensor([[[[0.0, 128.0, 255.0, 1.0]]]]))
