"""What a restored picture is trained on: pixels, features, and what a discriminator makes of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.errors import SegSRError
from segsr.nets.discriminator import FeatureDiscriminator
from segsr.training.perceptual import feature_distance


class PictureLoss(nn.Module):
    """L1 or L2 on pixels, L1 on their gradients, a perceptual term, and an adversarial one.

    The discriminator learns within the same backward pass: the generator's term sees it frozen, its
    own term sees the restored pictures detached. So one optimizer trains both, and checkpoints,
    accumulation and distributed training need nothing of their own.

    Args:
        l1: Weight of the pixels' mean absolute error.
        l2: Weight of their mean squared error.
        gradient: Weight of the L1 between horizontal and vertical differences.
        seams: Weight of the error that neighbouring patches share (`seam_distance`), a screen of
            dots which features hardly see or even like.
        patch: Side of a patch in pixels.
        neighbours: Patches along each side of a neighbourhood.
        features: The feature network (`VGGFeatures`, `TimmFeatures`); without it there is neither a
            perceptual nor an adversarial term.
        perceptual: Weight of the distance between features.
        discriminator: Without it there is no adversarial term.
        adversarial: Weight of the adversarial term.
        ramp: Steps over which it rises from 0.
        window: Side of the random window, in pixels, on which features are compared and judged;
            None takes the whole picture.
    """

    def __init__(
        self,
        *,
        l1: float | int = 1.0,
        l2: float | int = 0.0,
        gradient: float = 0.0,
        seams: float = 0.0,
        patch: int = 4,
        neighbours: int = 8,
        features: nn.Module | None = None,
        perceptual: float = 1.0,
        discriminator: FeatureDiscriminator | None = None,
        adversarial: float = 0.1,
        ramp: int = 1000,
        window: int | None = None,
    ) -> None:
        super().__init__()
        if not (l1 or l2):
            raise SegSRError("l1 and l2 are both 0, but pixels must count: give one a weight")
        self.l1 = l1
        self.l2 = l2
        self.gradient = gradient
        self.seams = seams
        self.patch = patch
        self.neighbours = neighbours
        self.features = features
        self.perceptual = perceptual
        self.discriminator = None if features is None else discriminator
        _check_channels(features, self.discriminator)
        self.adversarial = adversarial
        self.ramp = ramp
        self.window = window

    def forward(
        self,
        restored: Float[Tensor, "b 3 h w"],
        truth: Float[Tensor, "b 3 h w"],
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Return the weighted terms by name; their sum is the loss.

        Args:
            restored: Predicted pictures, in [0, 1] up to overshoot.
            truth: What they should be.
            step: Of the optimizer, for the ramp.
            generator: A CPU generator for the window.
        """
        restored = restored.float()
        terms = {}
        if self.l1:
            terms["l1"] = self.l1 * F.l1_loss(restored, truth)
        if self.l2:
            terms["l2"] = self.l2 * F.mse_loss(restored, truth)
        if self.gradient:
            terms["gradient"] = self.gradient * gradient_distance(restored, truth)
        if self.seams:
            distance = seam_distance(restored, truth, self.patch, self.neighbours)
            terms["seams"] = self.seams * distance
        if self.features is None:
            return terms
        rows, columns = _window(truth.shape[-2:], self.window, generator)
        restored, truth = restored[..., rows, columns], truth[..., rows, columns]
        seen = self.features(restored)
        with torch.no_grad():
            real = self.features(truth)
        terms["perceptual"] = self.perceptual * feature_distance(seen, real)
        if self.discriminator is not None:
            weight = self.adversarial * min(1.0, (step + 1) / self.ramp)
            self.discriminator.requires_grad_(False)
            terms["adversarial"] = -weight * _mean(self.discriminator(restored, seen))
            self.discriminator.requires_grad_(True)
            fake = self.discriminator(restored.detach(), [x.detach() for x in seen])
            truly = self.discriminator(truth, real)
            terms["discriminator"] = _mean([F.relu(1 + x) for x in fake]) + _mean(
                [F.relu(1 - x) for x in truly]
            )
        return terms


def gradient_distance(
    restored: Float[Tensor, "b 3 h w"], truth: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, ""]:
    """Return the L1 of the differences between neighbouring rows, plus that between columns."""
    difference = restored - truth
    return difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()


def seam_distance(
    restored: Float[Tensor, "b 3 h w"],
    truth: Float[Tensor, "b 3 h w"],
    patch: int,
    neighbours: int | None = None,
) -> Float[Tensor, ""]:
    """Return the mean size of what the errors of neighbouring patches have in common.

    Their mean colour, an error of the whole neighbourhood, does not count.

    Args:
        restored: Sides must be multiples of `patch`.
        truth: What it should be.
        patch: Side of a patch in pixels.
        neighbours: Patches along each side of a neighbourhood, two of which overlap by half; None
            takes all patches of the picture.
    """
    error: Tensor = F.pixel_unshuffle(restored - truth, patch)
    side = min(*error.shape[-2:], neighbours or 1)
    if neighbours is None:
        shared = error.mean((2, 3), keepdim=True)
    else:
        shared = F.avg_pool2d(error, side, stride=max(1, side // 2))
    shared = shared.reshape(len(shared), 3, patch**2, *shared.shape[-2:])
    distance: Tensor = (shared - shared.mean(2, keepdim=True)).abs().mean()
    return distance


def _check_channels(features: nn.Module | None, discriminator: FeatureDiscriminator | None) -> None:
    given = getattr(features, "channels", None)
    if discriminator is None or given is None or list(given) == discriminator.feature_channels:
        return
    raise SegSRError(
        f"the discriminator reads maps of {discriminator.feature_channels} channels, but the"
        f" feature network gives maps of {list(given)}: set the discriminator's feature_channels"
    )


def _mean(maps: list[Tensor]) -> Tensor:
    """The mean over maps of different sizes, each counting alike."""
    return torch.stack([x.float().mean() for x in maps]).mean()


def _window(size: torch.Size, side: int | None, generator: torch.Generator) -> tuple[slice, slice]:
    def span(length: int) -> slice:
        if side is None or side >= length:
            return slice(None)
        start = int(torch.randint(length - side + 1, (), generator=generator))
        return slice(start, start + side)

    return span(size[0]), span(size[1])
