"""Blur kernels, one per sample: Gaussian, generalised Gaussian, plateau, sinc.

The first three fall off with q = x^T Sigma^-1 x, Sigma = R(theta) diag(sigma_x^2, sigma_y^2)
R(theta)^T (Real-ESRGAN section 3.2). Every kernel is zero beyond its own size and sums to one, so
kernels of different sizes stack.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def gaussian_kernels(
    sigma_x: Float[Tensor, " b"],
    sigma_y: Float[Tensor, " b"],
    theta: Float[Tensor, " b"],
    sizes: Int[Tensor, " b"],
) -> Float[Tensor, "b k k"]:
    """Gaussian kernels exp(-q / 2), padded to the largest of `sizes`.

    Args:
        sigma_x: Standard deviation along the first axis, in pixels.
        sigma_y: Standard deviation along the second axis, in pixels.
        theta: Angle from x to the first axis, in radians.
        sizes: Odd side of each kernel, in pixels.
    """
    return _normalised(torch.exp(-_quadratic_form(sigma_x, sigma_y, theta, sizes) / 2), sizes)


def generalised_gaussian_kernels(
    sigma_x: Float[Tensor, " b"],
    sigma_y: Float[Tensor, " b"],
    theta: Float[Tensor, " b"],
    beta: Float[Tensor, " b"],
    sizes: Int[Tensor, " b"],
) -> Float[Tensor, "b k k"]:
    """Kernels exp(-q^beta / 2): heavy tails below beta = 1, flat tops above it.

    Args:
        sigma_x: See `gaussian_kernels`; as `sigma_y`, `theta` and `sizes`.
        sigma_y: Standard deviation along the second axis, in pixels.
        theta: Angle from x to the first axis, in radians.
        beta: Exponent, above 0.
        sizes: Odd side of each kernel, in pixels.
    """
    q = _quadratic_form(sigma_x, sigma_y, theta, sizes)
    return _normalised(torch.exp(-(q ** beta[:, None, None]) / 2), sizes)


def plateau_kernels(
    sigma_x: Float[Tensor, " b"],
    sigma_y: Float[Tensor, " b"],
    theta: Float[Tensor, " b"],
    beta: Float[Tensor, " b"],
    sizes: Int[Tensor, " b"],
) -> Float[Tensor, "b k k"]:
    """Kernels 1 / (1 + q^beta), nearly flat in the middle.

    Args:
        sigma_x: See `gaussian_kernels`; as `sigma_y`, `theta` and `sizes`.
        sigma_y: Standard deviation along the second axis, in pixels.
        theta: Angle from x to the first axis, in radians.
        beta: Exponent, above 0.
        sizes: Odd side of each kernel, in pixels.
    """
    q = _quadratic_form(sigma_x, sigma_y, theta, sizes)
    return _normalised(1 / (1 + q ** beta[:, None, None]), sizes)


def sinc_kernels(cutoff: Float[Tensor, " b"], sizes: Int[Tensor, " b"]) -> Float[Tensor, "b k k"]:
    """Circular low-pass kernels w J1(w r) / (2 pi r): ringing and overshoot.

    Args:
        cutoff: Cut-off frequency w, in radians per pixel, from 0 to pi.
        sizes: Odd side of each kernel, in pixels.
    """
    x, y = _offsets(sizes)
    radius = (x**2 + y**2).to(cutoff).sqrt()
    w = cutoff[:, None, None]
    ring = w * torch.special.bessel_j1(w * radius) / (2 * torch.pi * radius.clamp(min=1e-9))
    return _normalised(torch.where(radius == 0, w**2 / (4 * torch.pi), ring), sizes)


def _quadratic_form(sigma_x: Tensor, sigma_y: Tensor, theta: Tensor, sizes: Tensor) -> Tensor:
    x, y = _offsets(sizes)
    cos, sin = theta.cos()[:, None, None], theta.sin()[:, None, None]  # (b, 1, 1)
    u = (cos * x + sin * y) / sigma_x[:, None, None]
    v = (cos * y - sin * x) / sigma_y[:, None, None]
    return u**2 + v**2  # (b, k, k)


def _offsets(sizes: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of every tap of the largest kernel, from its centre, (k, k) each."""
    reach = int(sizes.max()) // 2
    offset = torch.arange(-reach, reach + 1, device=sizes.device)
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    return x, y


def _normalised(weights: Tensor, sizes: Tensor) -> Tensor:
    x, y = _offsets(sizes)
    inside = torch.maximum(x.abs(), y.abs()) <= (sizes // 2)[:, None, None]
    weights = weights * inside
    return weights / weights.sum((1, 2), keepdim=True)
