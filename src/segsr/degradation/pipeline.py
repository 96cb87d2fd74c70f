"""Degradation recipes: which steps, in which order, with parameters drawn from which ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from segsr.batch import SCALE
from segsr.degradation.kernels import gaussian_kernels
from segsr.degradation.ops import ResizeMode, add_gaussian_noise, blur, jpeg, quantise, resize
from segsr.errors import SegSRError

Range = Sequence[float | int]
"""Lowest and highest value of a uniform draw."""


Degradation = Callable[[Tensor, Sequence[torch.Generator]], Tensor]
"""HQ (B, 3, H, W) and a CPU generator per image to LQ (B, 3, H / SCALE, W / SCALE), in [0, 1].

All that is random in a sample comes from its own generator.
"""


@dataclass(frozen=True)
class FirstOrder:
    """Blur, resize, noise, JPEG: once each. The defaults are StableSR's mild ranges.

    Args:
        blur_sigma: Standard deviation of the Gaussian blur, in HQ pixels.
        isotropic_prob: Probability that the blur is round; else it has two sigmas and an angle.
        kernel_size: Odd side of the blur kernel; 11 holds 3.6 sigmas of the widest default blur.
        resize_modes: Resizing to 1/4 is by one of these, equally likely.
        noise_sigma: Standard deviation of the noise, in units of the range [0, 1].
        grey_prob: Probability that the noise is grey.
        jpeg_quality: From 1 (worst) to 100.

    Raises:
        SegSRError: A range or a size that makes no sense.
    """

    blur_sigma: Range = (0.2, 1.5)
    isotropic_prob: float | int = 0.6
    kernel_size: int = 11
    resize_modes: Sequence[ResizeMode] = ("area", "bilinear", "bicubic")
    noise_sigma: Range = (1 / 255, 15 / 255)
    grey_prob: float | int = 0.4
    jpeg_quality: Range = (60, 95)

    def __post_init__(self) -> None:
        _check_range("blur_sigma", self.blur_sigma, 1e-3, math.inf)
        _check_range("noise_sigma", self.noise_sigma, 0, 1)
        _check_range("jpeg_quality", self.jpeg_quality, 1, 100)
        if self.kernel_size % 2 == 0 or self.kernel_size < 1:
            raise SegSRError(
                f"kernel_size must be odd, got {self.kernel_size}: take {self.kernel_size + 1}"
            )
        if unknown := set(self.resize_modes) - set(get_args(ResizeMode)):
            raise SegSRError(
                f"resize_modes must be among {', '.join(get_args(ResizeMode))}, got "
                f"{', '.join(sorted(unknown))}: correct the name"
            )
        if not self.resize_modes:
            raise SegSRError("resize_modes is empty: name at least one, such as area")

    @torch.no_grad()
    def __call__(
        self, hq: Float[Tensor, "b 3 h w"], generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "b 3 h/4 w/4"]:
        """LQ images, multiples of 1/255 in [0, 1]: blur, resize, noise, JPEG, rounding.

        Args:
            hq: HQ images in [0, 1]; height and width multiples of 4.
            generators: One CPU generator per image.

        Raises:
            SegSRError: If a side is no multiple of 4.
        """
        size = lq_size(hq)
        drawn, modes = zip(*(self._draw(g) for g in generators), strict=True)
        sigma_x, sigma_y, theta, noise, grey, quality = torch.tensor(drawn).unbind(1)
        x = hq.float()
        x = blur(x, gaussian_kernels(sigma_x, sigma_y, theta, self.kernel_size).to(x))
        x = resize(x, size, modes)
        x = add_gaussian_noise(x, noise, grey.bool(), generators)
        x = jpeg(x.clamp(0, 1), quality)
        return quantise(x)

    def _draw(self, generator: torch.Generator) -> tuple[list[float], ResizeMode]:
        """sigma_x, sigma_y, theta, noise sigma, grey or not, JPEG quality; and the resize mode."""
        u = torch.rand(8, generator=generator).tolist()
        sigma_x = _between(self.blur_sigma, u[0])
        sigma_y = _between(self.blur_sigma, u[1])
        isotropic = u[2] < self.isotropic_prob
        parameters = [
            sigma_x,
            sigma_x if isotropic else sigma_y,
            math.pi * u[3],
            _between(self.noise_sigma, u[4]),
            float(u[5] < self.grey_prob),
            _between(self.jpeg_quality, u[6]),
        ]
        return parameters, self.resize_modes[int(u[7] * len(self.resize_modes))]


@dataclass(frozen=True)
class Bicubic:
    """Bicubic shrinking with antialiasing, and nothing else: the classical SR setting."""

    @torch.no_grad()
    def __call__(
        self, hq: Float[Tensor, "b 3 h w"], generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "b 3 h/4 w/4"]:
        """LQ images, multiples of 1/255 in [0, 1]; the generators are not used.

        Raises:
            SegSRError: If a side is no multiple of 4.
        """
        return quantise(resize(hq.float(), lq_size(hq), ["bicubic"] * len(hq)))


def lq_size(hq: Float[Tensor, "b c h w"]) -> tuple[int, int]:
    """Height and width of the LQ images.

    Raises:
        SegSRError: If a side is no multiple of SCALE.
    """
    height, width = hq.shape[-2:]
    if height % SCALE or width % SCALE:
        raise SegSRError(
            f"HQ size must be a multiple of {SCALE}, got {height}x{width}: "
            f"crop to {height - height % SCALE}x{width - width % SCALE}"
        )
    return height // SCALE, width // SCALE


def _between(bounds: Range, u: float) -> float:
    low, high = bounds
    return float(low + (high - low) * u)


def _check_range(name: str, bounds: Range, lowest: float | int, highest: float | int) -> None:
    if len(bounds) != 2 or not lowest <= bounds[0] <= bounds[1] <= highest:
        raise SegSRError(
            f"{name} must be two rising numbers from {lowest} to {highest}, got {list(bounds)}"
        )
