"""Blur stages: a random kernel for each sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr.degradation import draws, kernels, ops
from segsr.degradation.draws import Number, Range
from segsr.degradation.stage import Params, by_size

KernelShape = Literal[
    "isotropic",
    "anisotropic",
    "generalised_isotropic",
    "generalised_anisotropic",
    "plateau_isotropic",
    "plateau_anisotropic",
]
ODD_SIZES = (7, 9, 11, 13, 15, 17, 19, 21)
"""Kernel sizes of Real-ESRGAN, equally likely."""


@dataclass(frozen=True)
class Blur:
    """Blur by a random kernel; with probability `sinc_prob` a sinc filter, which rings.

    Args:
        sigma: Standard deviations, in pixels; an isotropic kernel has one, the others two.
        shapes: Probability of each `KernelShape`, in any common scale.
        generalised_beta: Exponents of the generalised Gaussian, half of them below 1.
        plateau_beta: Exponents of the plateau kernel, half of them below 1 where the range allows.
        sinc_prob: Probability of a sinc filter instead. Its cut-off is drawn from pi / 3 (kernels
            below 13 pixels) or pi / 5 to pi (Real-ESRGAN).
        sizes: Odd kernel sizes, equally likely.
        prob: Probability that anything happens at all.

    Raises:
        SegSRError: A range, probability, shape or size that makes no sense.
    """

    sigma: Range
    shapes: Mapping[str, Number] = field(default_factory=lambda: {"isotropic": 1})
    generalised_beta: Range = (0.5, 4)
    plateau_beta: Range = (1, 2)
    sinc_prob: Number = 0
    sizes: Sequence[int] = ODD_SIZES
    prob: Number = 1

    def __post_init__(self) -> None:
        draws.check_range("sigma", self.sigma, 1e-3)
        draws.check_range("generalised_beta", self.generalised_beta, 1e-3)
        draws.check_range("plateau_beta", self.plateau_beta, 1e-3)
        draws.check_options("shapes", list(self.shapes), get_args(KernelShape))
        draws.check_probability(sinc_prob=self.sinc_prob, prob=self.prob)
        draws.check_sizes(self.sizes)

    def draw(self, generator: torch.Generator) -> Params:
        """{"kernel": "none"}, or a kernel's shape and numbers."""
        if not draws.chance(self.prob, generator):
            return {"kernel": "none"}
        size = draws.pick(self.sizes, generator)
        if draws.chance(self.sinc_prob, generator):
            lowest = math.pi / (3 if size < 13 else 5)
            cutoff = draws.uniform((lowest, math.pi), generator)
            return {"kernel": "sinc", "size": size, "cutoff": cutoff}
        shape = draws.weighted(self.shapes, generator)
        sigma = draws.uniform(self.sigma, generator)
        drawn: Params = {"kernel": shape, "size": size}
        drawn |= {"sigma_x": sigma, "sigma_y": sigma, "theta": 0.0}
        if shape.endswith("anisotropic"):
            drawn["sigma_y"] = draws.uniform(self.sigma, generator)
            drawn["theta"] = draws.uniform((-math.pi, math.pi), generator)
        if shape.startswith("generalised"):
            drawn["beta"] = draws.either_side_of_one(self.generalised_beta, generator)
        elif shape.startswith("plateau"):
            drawn["beta"] = draws.either_side_of_one(self.plateau_beta, generator)
        return drawn

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image filtered by its own kernel."""
        return _filtered(images, params, max(self.sizes))


@dataclass(frozen=True)
class SincFilter:
    """A sinc filter alone: the ringing of a sharpened or resampled image (Real-ESRGAN's last).

    Args:
        prob: Probability that anything happens at all.
        cutoff: Cut-off frequency, in radians per pixel.
        sizes: Odd kernel sizes, equally likely.

    Raises:
        SegSRError: A range, probability or size that makes no sense.
    """

    prob: Number = 1
    cutoff: Range = (math.pi / 3, math.pi)
    sizes: Sequence[int] = ODD_SIZES

    def __post_init__(self) -> None:
        draws.check_probability(prob=self.prob)
        draws.check_range("cutoff", self.cutoff, 1e-3, math.pi)
        draws.check_sizes(self.sizes)

    def draw(self, generator: torch.Generator) -> Params:
        """{"kernel": "none"}, or a sinc kernel's size and cut-off."""
        if not draws.chance(self.prob, generator):
            return {"kernel": "none"}
        size = draws.pick(self.sizes, generator)
        return {"kernel": "sinc", "size": size, "cutoff": draws.uniform(self.cutoff, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image filtered by its own kernel."""
        return _filtered(images, params, max(self.sizes))


def _filtered(images: list[Tensor], params: Sequence[Params], largest: int) -> list[Tensor]:
    """Each image correlated with the kernel its parameters describe, if they describe one."""
    result = list(images)
    blurred = [i for i, drawn in enumerate(params) if drawn["kernel"] != "none"]
    for members in by_size([images[i] for i in blurred]):
        group = [blurred[member] for member in members]
        batch = torch.stack([images[i] for i in group])
        stacked = torch.cat([_kernel(params[i], largest) for i in group]).to(batch)
        for i, image in zip(group, ops.blur(batch, stacked), strict=True):
            result[i] = image
    return result


_SHAPES: Mapping[str, Callable[..., Tensor]] = {
    "isotropic": kernels.gaussian_kernels,
    "anisotropic": kernels.gaussian_kernels,
    "generalised_isotropic": kernels.generalised_gaussian_kernels,
    "generalised_anisotropic": kernels.generalised_gaussian_kernels,
    "plateau_isotropic": kernels.plateau_kernels,
    "plateau_anisotropic": kernels.plateau_kernels,
    "sinc": kernels.sinc_kernels,
}


def _kernel(drawn: Params, largest: int) -> Tensor:
    """The kernel (1, k, k) that `Blur` or `SincFilter` drew, with zeros around it to `largest`."""
    size = torch.tensor([drawn["size"]])
    names = [name for name in ("sigma_x", "sigma_y", "theta", "beta", "cutoff") if name in drawn]
    kernel = _SHAPES[drawn["kernel"]](*(torch.tensor([drawn[name]]) for name in names), size)
    return F.pad(kernel, ((largest - drawn["size"]) // 2,) * 4)
