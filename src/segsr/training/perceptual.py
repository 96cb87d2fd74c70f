"""VGG16's features as a loss: how far two pictures are apart in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from segsr.metrics.st_lpips import features, load_weights


class VGGFeatures(nn.Module):
    """The five stages of the shift-tolerant VGG16 whose weights ST-LPIPS reads, frozen.

    The weights are buffers, outside every checkpoint. Note that a network trained on these
    features is judged by ST-LPIPS with the eyes it was taught with: report another metric too.

    Args:
        weights: See `segsr.metrics.st_lpips.load_weights`.

    Raises:
        SegSRError: If the file is missing or holds something else.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        state = load_weights(weights)
        self.keys = {key: key.replace(".", "_") for key in state}
        for key, tensor in state.items():
            self.register_buffer(self.keys[key], tensor, persistent=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return the feature maps of `images` in [0, 1], finest first."""
        return list(features(images, {key: self.get_buffer(n) for key, n in self.keys.items()}))


def load_features(weights: str | Path | None) -> VGGFeatures | None:
    """Return the feature network of the file `weights`; None where no file is given."""
    return None if weights is None else VGGFeatures(weights)


def feature_distance(
    restored: Sequence[Float[Tensor, "b _ _ _"]], truth: Sequence[Float[Tensor, "b _ _ _"]]
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of feature maps, each in units of the truth's mean.

    So every stage counts alike, whatever the size of its activations.
    """
    distances = [
        (x.float() - y.float()).abs().mean() / (y.float().abs().mean() + 1e-6)
        for x, y in zip(restored, truth, strict=True)
    ]
    return torch.stack(distances).mean()
