"""Blur kernels, one per sample."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_kernels(
    sigma_x: Float[Tensor, " b"],
    sigma_y: Float[Tensor, " b"],
    theta: Float[Tensor, " b"],
    size: int,
) -> Float[Tensor, "b size size"]:
    """Gaussian kernels whose axes are turned by `theta`, each summing to one.

    exp(-q / 2) with q = x^T Sigma^-1 x and Sigma = R(theta) diag(sigma_x^2, sigma_y^2) R(theta)^T.

    Args:
        sigma_x: Standard deviation along the first axis, in pixels.
        sigma_y: Standard deviation along the second axis, in pixels.
        theta: Angle from x to the first axis, in radians.
        size: Odd side of the kernel, in pixels.
    """
    offset = torch.arange(size, dtype=sigma_x.dtype, device=sigma_x.device) - size // 2
    y, x = torch.meshgrid(offset, offset, indexing="ij")  # (k, k)
    cos, sin = theta.cos()[:, None, None], theta.sin()[:, None, None]  # (b, 1, 1)
    u = (cos * x + sin * y) / sigma_x[:, None, None]
    v = (cos * y - sin * x) / sigma_y[:, None, None]
    weights = torch.exp(-(u**2 + v**2) / 2)
    return weights / weights.sum((1, 2), keepdim=True)
