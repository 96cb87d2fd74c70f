"""The stages recipes are made of: each draws a sample's parameters, and applies drawn ones.

Drawn parameters are plain numbers and words (JSON), and all that is random: noise is drawn from a
seed among them. So a stage applied to the same image with the same parameters does the same again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr.degradation import draws, kernels, noise, ops
from segsr.degradation.draws import Number, Range
from segsr.degradation.jpeg import jpeg
from segsr.degradation.ops import ResizeMode
from segsr.errors import SegSRError

Params = dict[str, Any]
"""What a stage drew for one sample: JSON."""
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


@runtime_checkable
class Stage(Protocol):
    """One step of a recipe."""

    def draw(self, generator: torch.Generator) -> Params:
        """Parameters for one sample, from its own CPU generator."""
        ...

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """The images (C, h, w) after this stage, each with its own parameters and of its own size.

        Images that share a size go through as one batch.

        Args:
            images: In [0, 1].
            params: What `draw` returned for each.
            lq_size: Height and width of the LQ images in the end.
        """
        ...


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


@dataclass(frozen=True)
class Resize:
    """Resize by a random factor in a random mode.

    Args:
        scale: Lowest and highest factor; enlarging draws from 1 up, shrinking from 1 down.
        up_prob: Probability of enlarging.
        down_prob: Probability of shrinking; else the factor is 1.
        of: What the factor refers to: the "image" as it comes, or the size of the "lq" image in
            the end (Real-ESRGAN's second order).
        modes: Equally likely; see `ops.ResizeMode`.
        antialias: See `ops.resize`.

    Raises:
        SegSRError: A range, probability or mode that makes no sense.
    """

    scale: Range
    up_prob: Number
    down_prob: Number
    of: str = "image"
    modes: Sequence[str] = ("area", "bilinear", "bicubic")
    antialias: bool = False

    def __post_init__(self) -> None:
        draws.check_range("scale", self.scale, 1e-2, 16)
        draws.check_probability(up_prob=self.up_prob, down_prob=self.down_prob)
        if self.up_prob + self.down_prob > 1 + 1e-9:
            raise SegSRError(
                f"up_prob and down_prob must not exceed 1 together, got {self.up_prob} and "
                f"{self.down_prob}: lower one"
            )
        if (self.up_prob and self.scale[1] < 1) or (self.down_prob and self.scale[0] > 1):
            raise SegSRError(
                f"scale must reach to 1 from below to shrink and above it to enlarge, got "
                f"{list(self.scale)} with up_prob={self.up_prob} and down_prob={self.down_prob}"
            )
        draws.check_options("of", [self.of], ("image", "lq"))
        draws.check_options("modes", self.modes, get_args(ResizeMode))

    def draw(self, generator: torch.Generator) -> Params:
        """The factor and the mode."""
        direction = draws.weighted(
            {
                "up": self.up_prob,
                "down": self.down_prob,
                "keep": max(0.0, 1 - self.up_prob - self.down_prob),
            },
            generator,
        )
        low, high = self.scale
        span = {"up": (max(1, low), high), "down": (low, min(1, high)), "keep": (1, 1)}[direction]
        return {"scale": draws.uniform(span, generator), "mode": draws.pick(self.modes, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image at its own size, which is rounded down but to no less than a pixel."""
        result = []
        for image, drawn in zip(images, params, strict=True):
            base = image.shape[-2:] if self.of == "image" else lq_size
            height, width = (max(1, int(side * drawn["scale"])) for side in base)
            result.append(_resized(image, (height, width), drawn["mode"], self.antialias))
        return result


@dataclass(frozen=True)
class Shrink:
    """Resize to the LQ size, in a random mode.

    Args:
        modes: Equally likely; see `ops.ResizeMode`.
        antialias: See `ops.resize`.

    Raises:
        SegSRError: An unknown mode.
    """

    modes: Sequence[str] = ("area", "bilinear", "bicubic")
    antialias: bool = False

    def __post_init__(self) -> None:
        draws.check_options("modes", self.modes, get_args(ResizeMode))

    def draw(self, generator: torch.Generator) -> Params:
        """The mode."""
        return {"mode": draws.pick(self.modes, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image at the LQ size."""
        return [
            _resized(image, lq_size, drawn["mode"], self.antialias)
            for image, drawn in zip(images, params, strict=True)
        ]


@dataclass(frozen=True)
class Noise:
    """Gaussian or Poisson noise, in colour or grey; the result is clamped, not rounded.

    Args:
        gaussian_sigma: Standard deviations of the Gaussian noise, in grey levels of 255, as the
            published recipes state them.
        poisson_scale: Factors of the Poisson noise, see `noise.add_poisson_noise`.
        gaussian_prob: Probability that the noise is Gaussian; else it is Poisson.
        grey_prob: Probability that the noise is grey.

    Raises:
        SegSRError: A range or probability that makes no sense.
    """

    gaussian_sigma: Range
    poisson_scale: Range = (0, 0)
    gaussian_prob: Number = 1
    grey_prob: Number = 0

    def __post_init__(self) -> None:
        draws.check_range("gaussian_sigma", self.gaussian_sigma, 0, 255)
        draws.check_range("poisson_scale", self.poisson_scale)
        draws.check_probability(gaussian_prob=self.gaussian_prob, grey_prob=self.grey_prob)

    def draw(self, generator: torch.Generator) -> Params:
        """The kind of noise, its strength (sigma in [0, 1] units), whether it is grey, its seed."""
        drawn: Params
        if draws.chance(self.gaussian_prob, generator):
            drawn = {
                "noise": "gaussian",
                "sigma": draws.uniform(self.gaussian_sigma, generator) / 255,
            }
        else:
            drawn = {"noise": "poisson", "scale": draws.uniform(self.poisson_scale, generator)}
        drawn["grey"] = draws.chance(self.grey_prob, generator)
        drawn["seed"] = draws.seed(generator)
        return drawn

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image with its own noise, drawn on the image's device."""
        return [_noisy(image, drawn) for image, drawn in zip(images, params, strict=True)]


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression and decompression; the result is rounded to 8 bits, as decoders give it.

    Args:
        quality: From 1 (worst) to 100.

    Raises:
        SegSRError: A range that makes no sense.
    """

    quality: Range

    def __post_init__(self) -> None:
        draws.check_range("quality", self.quality, 1, 100)

    def draw(self, generator: torch.Generator) -> Params:
        """The quality, a real number: the codec interpolates between whole ones."""
        return {"quality": draws.uniform(self.quality, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image compressed with its own quality."""
        result = list(images)
        for group in _by_size(images):
            quality = torch.tensor([float(params[i]["quality"]) for i in group])
            compressed = ops.quantise(jpeg(torch.stack([images[i] for i in group]), quality))
            for i, image in zip(group, compressed, strict=True):
                result[i] = image
        return result


@dataclass(frozen=True)
class EitherOrder:
    """Two groups of stages, one after the other, in a random order.

    Args:
        first: Stages by name.
        second: Stages by name.
        prob: Probability that `first` comes first.

    Raises:
        SegSRError: A probability that makes no sense.
    """

    first: Mapping[str, Stage]
    second: Mapping[str, Stage]
    prob: Number = 0.5

    def __post_init__(self) -> None:
        draws.check_probability(prob=self.prob)

    def draw(self, generator: torch.Generator) -> Params:
        """The order, and the parameters of both groups by stage."""
        return {
            "in_order": draws.chance(self.prob, generator),
            "first": {name: stage.draw(generator) for name, stage in self.first.items()},
            "second": {name: stage.draw(generator) for name, stage in self.second.items()},
        }

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image through both groups, in its own order."""
        result = list(images)
        for in_order in (True, False):
            chosen = [i for i, drawn in enumerate(params) if drawn["in_order"] == in_order]
            changed = [images[i] for i in chosen]
            for group in ("first", "second") if in_order else ("second", "first"):
                drawn = [params[i][group] for i in chosen]
                changed = apply_all(getattr(self, group), changed, drawn, lq_size)
            for i, image in zip(chosen, changed, strict=True):
                result[i] = image
        return result


def apply_all(
    stages: Mapping[str, Stage],
    images: list[Tensor],
    params: Sequence[Params],
    lq_size: tuple[int, int],
) -> list[Tensor]:
    """The images after all `stages`; `params` are by stage, one dict per image."""
    for name, stage in stages.items():
        images = stage.apply(images, [drawn[name] for drawn in params], lq_size)
    return images


def _by_size(images: Sequence[Tensor]) -> list[list[int]]:
    """Indices of the images that share a size, group by group."""
    groups: dict[torch.Size, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(image.shape, []).append(i)
    return list(groups.values())


def _resized(image: Tensor, size: tuple[int, int], mode: ResizeMode, antialias: bool) -> Tensor:
    if image.shape[-2:] == size:
        return image
    return ops.resize(image[None], size, mode, antialias=antialias)[0]


def _noisy(image: Tensor, drawn: Params) -> Tensor:
    generator = torch.Generator(image.device).manual_seed(drawn["seed"])
    if drawn["noise"] == "gaussian":
        noisy = noise.add_gaussian_noise(image, drawn["sigma"], drawn["grey"], generator)
    else:
        noisy = noise.add_poisson_noise(image, drawn["scale"], drawn["grey"], generator)
    return noisy.clamp(0, 1)


def _filtered(images: list[Tensor], params: Sequence[Params], largest: int) -> list[Tensor]:
    """Each image correlated with the kernel its parameters describe, if they describe one."""
    result = list(images)
    blurred = [i for i, drawn in enumerate(params) if drawn["kernel"] != "none"]
    for members in _by_size([images[i] for i in blurred]):
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
