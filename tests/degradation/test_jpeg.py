from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.degradation.jpeg import _CHROMA, _LUMINANCE, jpeg, quantisation_table


def by_pillow(image, quality):
    """`image` (1, C, H, W) written and read by libjpeg."""
    pixels = (image[0] * 255).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    decoded = np.array(Image.open(buffer)).reshape(pixels.shape)
    return torch.from_numpy(decoded).permute(2, 0, 1)[None] / 255


def psnr(a, b):
    return float(-10 * torch.log10(((a - b) ** 2).mean()))


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_photographs_come_back_as_from_pillow(photos, quality):
    for photo in photos:
        assert psnr(jpeg(photo, torch.tensor([float(quality)])), by_pillow(photo, quality)) > 42


@pytest.mark.parametrize("quality", [10, 60])
def test_grey_photographs_come_back_as_from_pillow(photos, quality):
    grey = photos[0][:, :1]
    assert psnr(jpeg(grey, torch.tensor([float(quality)])), by_pillow(grey, quality)) > 48


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 60, 95, 100])
def test_quantisation_tables_are_libjpegs(quality):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    written = Image.open(buffer).quantization
    for index, table in enumerate((_LUMINANCE, _CHROMA)):
        ours = quantisation_table(table, torch.tensor([float(quality)]))[0]
        assert ours.flatten().tolist() == list(written[index])


def test_each_image_has_its_own_quality(photos):
    pair = torch.cat([photos[0], photos[0]])
    both = jpeg(pair, torch.tensor([20.0, 90.0]))
    torch.testing.assert_close(both[:1], jpeg(photos[0], torch.tensor([20.0])), atol=2e-6, rtol=0)
    assert psnr(both[:1], photos[0]) < psnr(both[1:], photos[0]) - 3
