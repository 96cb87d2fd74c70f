"""What happens to a photograph: pure functions on batches in [0, 1], every parameter per sample."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from kornia.enhance import jpeg_codec_differentiable
from torch import Tensor
from torch.nn import functional as F

from segsr.degradation.kernels import gaussian_kernels

ResizeMode = Literal["area", "bilinear", "bicubic"]


def blur(
    images: Float[Tensor, "b c h w"], kernels: Float[Tensor, "b k k"]
) -> Float[Tensor, "b c h w"]:
    """Each image correlated with its own kernel; borders are reflected, however small the image.

    In the frequency domain: on a CPU a sixth of the time of a direct convolution at k = 21.
    """
    height, width = images.shape[-2:]
    padded = _reflect(images, kernels.shape[-1] // 2)
    size = [fast_fft_length(side) for side in padded.shape[-2:]]
    spectrum = torch.fft.rfft2(padded, s=size)
    spectrum *= torch.fft.rfft2(kernels, s=size).conj()[:, None]
    return torch.fft.irfft2(spectrum, s=size)[..., :height, :width]


def resize(
    images: Float[Tensor, "b c h w"],
    size: tuple[int, int],
    mode: ResizeMode,
    *,
    antialias: bool = False,
) -> Float[Tensor, "b c oh ow"]:
    """Images resized to `size` (height, width).

    Args:
        images: In any range; the result of "bicubic" can leave it.
        size: New height and width.
        mode: "area" is a box filter, its result the mean of what a new pixel covers.
        antialias: Widen the bilinear and bicubic filters when shrinking, as Pillow does and
            Real-ESRGAN does not.
    """
    return F.interpolate(images, size, mode=mode, antialias=antialias and mode != "area")


def jpeg(
    images: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """Images after JPEG at each one's own quality, 4:2:0, still float.

    Kornia's codec; its rounding is a smooth stand-in for the exact one (39 dB and more to Pillow).

    Args:
        images: In [0, 1], clamped if not; grey or RGB, of any size.
        quality: From 1 (worst) to 100.
    """
    channels = images.shape[1]
    colour = images.clamp(0, 1).expand(-1, 3, -1, -1)
    return jpeg_codec_differentiable(colour, quality.to(images))[:, :channels]


def sharpen(
    images: Float[Tensor, "b c h w"],
    *,
    weight: float = 0.5,
    size: int = 51,
    sigma: float = 8.0,
    threshold: float = 10 / 255,
) -> Float[Tensor, "b c h w"]:
    """Images after unsharp masking where they have detail, left alone where they are smooth.

    Real-ESRGAN's sharpening of the ground truth: x + weight * (x - blur(x)), blended in by the
    blurred mask of |x - blur(x)| > threshold. Its radius of 50 means 51 taps, for which OpenCV's
    rule gives sigma 8.

    Args:
        images: In [0, 1]; so is the result.
        weight: Strength of the sharpening.
        size: Odd side of the Gaussian kernel, in pixels.
        sigma: Its standard deviation, in pixels.
        threshold: What counts as detail, in units of the range [0, 1].
    """
    s = torch.full((len(images),), sigma, device=images.device)
    kernels = gaussian_kernels(s, s, torch.zeros_like(s), torch.full_like(s, size).int())
    residual = images - blur(images, kernels)
    detail = blur((residual.abs() > threshold).to(images), kernels)
    sharp = (images + weight * residual).clamp(0, 1)
    return torch.lerp(images, sharp, detail).clamp(0, 1)


def quantise(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Images clamped to [0, 1] and rounded to multiples of 1/255, as an 8-bit file holds them."""
    return (images.clamp(0, 1) * 255).round() / 255


def fast_fft_length(n: int) -> int:
    """The smallest length from `n` up that has no prime factor above 5."""
    rest = n
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return n if rest == 1 else fast_fft_length(n + 1)


def _reflect(images: Tensor, margin: int) -> Tensor:
    """`images` with `margin` pixels more on every side, mirrored about the outermost ones."""
    if margin < min(images.shape[-2:]):
        return F.pad(images, (margin,) * 4, mode="reflect")
    rows, columns = (_mirrored(side, margin, images.device) for side in images.shape[-2:])
    return images[..., rows[:, None], columns]


def _mirrored(side: int, margin: int, device: torch.device) -> Tensor:
    """Indices -margin ... side + margin - 1, mirrored back and forth into 0 ... side - 1."""
    period = max(2 * (side - 1), 1)
    index = torch.arange(-margin, side + margin, device=device) % period
    return torch.minimum(index, period - index) if side > 1 else torch.zeros_like(index)
