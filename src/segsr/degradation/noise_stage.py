"""The noise stage: Gaussian or Poisson for each sample; the mathematics are in `noise.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr.degradation import draws, noise
from segsr.degradation.draws import Number, Range
from segsr.degradation.stage import Params


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


def _noisy(image: Tensor, drawn: Params) -> Tensor:
    generator = torch.Generator(image.device).manual_seed(drawn["seed"])
    if drawn["noise"] == "gaussian":
        noisy = noise.add_gaussian_noise(image, drawn["sigma"], drawn["grey"], generator)
    else:
        noisy = noise.add_poisson_noise(image, drawn["scale"], drawn["grey"], generator)
    return noisy.clamp(0, 1)
