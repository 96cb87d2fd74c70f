from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
import torch

from segsr.degradation.kernels import gaussian_kernels


def test_an_isotropic_kernel_is_scipys_gaussian():
    impulse = np.zeros((13, 13))
    impulse[6, 6] = 1
    sigma = torch.tensor([0.5, 1.5], dtype=torch.float64)
    kernels = gaussian_kernels(sigma, sigma, torch.tensor([0.0, 1.0], dtype=torch.float64), 13)
    for kernel, s in zip(kernels, sigma.tolist(), strict=True):
        expected = scipy.ndimage.gaussian_filter(impulse, s, radius=6)
        np.testing.assert_allclose(kernel.numpy(), expected, atol=1e-12)


def test_an_anisotropic_kernel_has_the_covariance_it_was_asked_for():
    sigma_x, sigma_y, theta = torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([math.pi / 6])
    kernel = gaussian_kernels(sigma_x, sigma_y, theta, 31)[0].double()
    offset = torch.arange(31.0, dtype=torch.float64) - 15
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    covariance = torch.stack([(kernel * a * b).sum() for a, b in ((x, x), (x, y), (y, y))])
    # R diag(4, 1) R^T at 30 degrees
    expected = torch.tensor([3.25, 3 * math.sqrt(3) / 4, 1.75], dtype=torch.float64)
    torch.testing.assert_close(covariance, expected, atol=1e-4, rtol=1e-4)
    assert abs(kernel.sum() - 1) < 1e-6
