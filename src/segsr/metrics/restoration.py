"""PSNR and SSIM by the 'ycbcr' protocol of StableSR, SeeSR, OSEDiff and the SegSR paper.

The protocol, step by step: images are 8-bit (float images are rounded), luma is the Y of BT.601
YCbCr in studio range (16 to 235), no border is cropped, and the mean is taken over images. It is
what pyiqa computes with `test_y_channel=True, color_space='ycbcr'`, down to two habits of pyiqa
that move the third decimal: SSIM rounds Y to 8 bits again where PSNR does not, and SSIM clips a
negative contrast-structure term to zero.

Check: bicubic enlargement (Pillow) of the RealSR benchmark, 100 pairs of 128 to 512 px, gives
27.113 dB and 0.7555.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from segsr.errors import SegSRError
from segsr.metrics.per_image import PerImageMean

_LUMA_WEIGHTS = (65.481, 128.553, 24.966)  # BT.601, 8-bit studio range
_LUMA_OFFSET = 16.0
_WINDOW = 11  # pixels
_SIGMA = 1.5  # pixels
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_LEAST_MSE = 1e-8  # in units of [0, 1]: two equal images score 80 dB, not infinity


def restoration_metrics() -> MetricCollection:
    """Return the collection `psnr` (dB) and `ssim`, each a mean over images.

    `update(restored, hq)` takes float (b, 3, h, w) in [0, 1], values outside being clipped.
    """
    # Compute groups share state between metrics that look equal after one batch: never here.
    return MetricCollection(
        {"psnr": PerImageMean(psnr_y), "ssim": PerImageMean(ssim_y)}, compute_groups=False
    )


def psnr_y(restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Return the peak signal-to-noise ratio of each image's luma in dB, at most 80.

    Args:
        restored: Images in [0, 1].
        hq: The true images in [0, 1].
    """
    return psnr(luma(restored), luma(hq))


def ssim_y(restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Return the structural similarity of each image's luma, in [0, 1]; see `ssim`.

    Args:
        restored: Images in [0, 1], sides of 11 pixels and more.
        hq: The true images in [0, 1].

    Raises:
        SegSRError: If a side is shorter than the window.
    """
    return ssim(luma(restored).round(), luma(hq).round())


def psnr_rgb(
    restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """Return the peak signal-to-noise ratio of each image's three channels in dB, at most 80.

    Args:
        restored: Images in [0, 1].
        hq: The true images in [0, 1].
    """
    return psnr(eight_bit(restored), eight_bit(hq))


def ssim_rgb(
    restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """Return the structural similarity of each image's three channels, in [0, 1]; see `ssim`.

    Args:
        restored: Images in [0, 1], sides of 11 pixels and more.
        hq: The true images in [0, 1].

    Raises:
        SegSRError: If a side is shorter than the window.
    """
    return ssim(eight_bit(restored), eight_bit(hq))


def psnr(x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Return the peak signal-to-noise ratio of each pair in dB, at most 80.

    Args:
        x: Channels in 0 to 255.
        y: The true channels.
    """
    mse = ((x - y) / 255).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(mse + _LEAST_MSE)


def ssim(x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Return the structural similarity of each pair, the mean over its channels, in [0, 1].

    Gaussian window of 11 x 11 pixels and sigma 1.5, kept inside the image (no padding), data
    range 255 (Wang et al. 2004, equation 13).

    Args:
        x: Channels in 0 to 255, sides of 11 pixels and more.
        y: The true channels.

    Raises:
        SegSRError: If a side is shorter than the window.
    """
    height, width = y.shape[-2:]
    if min(height, width) < _WINDOW:
        raise SegSRError(
            f"SSIM needs images of at least {_WINDOW}x{_WINDOW} pixels, got {height}x{width}: "
            "leave such images out of the evaluation."
        )
    channels = y.shape[1]
    # The mid-range shift changes no variance and saves float32 digits.
    x, y = x.flatten(0, 1)[:, None] - 128, y.flatten(0, 1)[:, None] - 128
    moments = _blur(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, square_x, square_y, product = moments.chunk(5)
    var_x, var_y, cov = square_x - mean_x**2, square_y - mean_y**2, product - mean_x * mean_y
    mean_x, mean_y = mean_x + 128, mean_y + 128
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    contrast_structure = (2 * cov + _C2) / (var_x + var_y + _C2)
    similarity = (luminance * contrast_structure.relu()).mean(dim=(1, 2, 3))
    return similarity.view(-1, channels).mean(dim=1)


def luma(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return the luma (BT.601 Y, in [16, 235], not rounded) of `images` rounded to 8 bits.

    Args:
        images: RGB in [0, 1]; values outside are clipped, as saving a file does.
    """
    rounded = eight_bit(images) / 255
    weights = rounded.new_tensor(_LUMA_WEIGHTS).view(3, 1, 1)
    return _LUMA_OFFSET + (rounded * weights).sum(dim=1, keepdim=True)


def eight_bit(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Return `images`, in [0, 1] and clipped to it, as a file holds them: float, 0 to 255."""
    return images.float().clamp(0, 1).mul(255).round()


def _blur(images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h2 w2"]:
    """Return the local gaussian means, one for each window that lies inside the image."""
    offsets = torch.arange(_WINDOW, dtype=images.dtype, device=images.device) - _WINDOW // 2
    weights = torch.softmax(-(offsets**2) / (2 * _SIGMA**2), dim=0)
    with torch.autocast(images.device.type, enabled=False):  # half precision would cost a decimal
        rows = F.conv2d(images, weights.view(1, 1, -1, 1))
        return F.conv2d(rows, weights.view(1, 1, 1, -1))
