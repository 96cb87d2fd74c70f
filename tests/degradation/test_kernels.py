from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import torch

from segsr.degradation.kernels import (
    gaussian_kernels,
    generalised_gaussian_kernels,
    plateau_kernels,
    sinc_kernels,
)

SIZES = torch.tensor([7, 13, 21])
SIGMA_X = torch.tensor([0.7, 1.9, 3.0])
SIGMA_Y = torch.tensor([1.5, 0.4, 3.0])
THETA = torch.tensor([0.3, -2.0, 0.0])
BETA = torch.tensor([0.5, 1.0, 3.5])


def centred(kernel, size):
    """What is left of a padded kernel within its own size; the rest must be zero."""
    margin = (kernel.shape[-1] - size) // 2
    within = (slice(margin, margin + size),) * 2
    outside = kernel.clone()
    outside[within] = 0
    assert not outside.any()
    return kernel[within].double().numpy()


def quadratic_form(i):
    """q at every tap of kernel i, by an explicit inverse of the covariance."""
    size, turn = int(SIZES[i]), float(THETA[i])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    sigma = np.diag([float(SIGMA_X[i]) ** 2, float(SIGMA_Y[i]) ** 2])
    inverse = np.linalg.inv(rotation @ sigma @ rotation.T)
    q = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            point = np.array([column - size // 2, row - size // 2])
            q[row, column] = point @ inverse @ point
    return q


@pytest.mark.parametrize(
    ("kernels", "closed_form"),
    [
        (
            lambda: gaussian_kernels(SIGMA_X, SIGMA_Y, THETA, SIZES),
            lambda q, beta: np.exp(-q / 2),
        ),
        (
            lambda: generalised_gaussian_kernels(SIGMA_X, SIGMA_Y, THETA, BETA, SIZES),
            lambda q, beta: np.exp(-(q**beta) / 2),
        ),
        (
            lambda: plateau_kernels(SIGMA_X, SIGMA_Y, THETA, BETA, SIZES),
            lambda q, beta: 1 / (1 + q**beta),
        ),
    ],
    ids=["gaussian", "generalised", "plateau"],
)
def test_kernels_have_their_closed_form_within_their_own_size(kernels, closed_form):
    for i, kernel in enumerate(kernels()):
        expected = closed_form(quadratic_form(i), float(BETA[i]))
        np.testing.assert_allclose(
            centred(kernel, int(SIZES[i])), expected / expected.sum(), atol=2e-7, rtol=2e-5
        )


def test_an_isotropic_gaussian_is_the_one_of_scipy():
    kernel = gaussian_kernels(*torch.tensor([[1.2], [1.2], [0.8]]), torch.tensor([15]))[0]
    delta = np.zeros((15, 15))
    delta[7, 7] = 1
    expected = scipy.ndimage.gaussian_filter(delta, 1.2, radius=7)
    np.testing.assert_allclose(kernel.numpy(), expected, atol=1e-7)


def test_sinc_kernels_have_their_closed_form():
    cutoff = torch.tensor([np.pi / 3, 2.0, np.pi])
    for i, kernel in enumerate(sinc_kernels(cutoff, SIZES)):
        size, w = int(SIZES[i]), float(cutoff[i])
        x, y = np.meshgrid(*[np.arange(size) - size // 2] * 2)
        r = np.hypot(x, y)
        with np.errstate(invalid="ignore"):
            expected = w * scipy.special.j1(w * r) / (2 * np.pi * r)
        expected[r == 0] = w**2 / (4 * np.pi)
        np.testing.assert_allclose(centred(kernel, size), expected / expected.sum(), atol=1e-6)


def test_a_sinc_kernel_passes_what_is_below_its_cutoff_and_stops_what_is_above():
    kernel = sinc_kernels(torch.tensor([np.pi / 2]), torch.tensor([21]))[0]
    response = torch.fft.rfft(kernel.sum(0), n=128).abs()  # along x, 64 bins to pi
    assert float(response[:20].min()) > 0.85
    assert float(response[48:].max()) < 0.15
