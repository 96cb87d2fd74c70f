"""Small changes of light and colour, the same for a photograph and its LQ image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from segsr.batch import Batch
from segsr.seeding import generator

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_GREY = 0.5  # about which contrast turns; a picture's own mean would differ between HQ and LQ


def jitter_batch(batch: Batch, amount: float, seed: int, positions: Sequence[int]) -> None:
    """Change the colours of `batch`, `hq` and `lq` alike, by what is drawn for each position.

    Args:
        batch: Changed in place.
        amount: The factors are from [1 - amount, 1 + amount].
        seed: Key of the draws, together with the position.
        positions: In the training stream, of every sample.
    """
    drawn = [torch.rand(3, generator=generator(seed, "jitter", p)) for p in positions]
    factors = 1 + amount * (2 * torch.stack(drawn) - 1)
    factors = factors.to(batch["lq"].device, non_blocking=True)
    batch["lq"] = jitter_colours(batch["lq"], factors)
    if "hq" in batch:
        batch["hq"] = jitter_colours(batch["hq"], factors)


def jitter_colours(
    images: Float[Tensor, "b 3 h w"], factors: Float[Tensor, "b 3"]
) -> Float[Tensor, "b 3 h w"]:
    """Return `images` in [0, 1] with changed brightness, contrast and saturation.

    Args:
        images: RGB in [0, 1].
        factors: What the three are multiplied by, of every image; 1 leaves them.
    """
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(1)
    changed = (images * brightness - _GREY) * contrast + _GREY
    weights = torch.tensor(_LUMA, device=images.device, dtype=images.dtype).view(3, 1, 1)
    luma = (weights * changed).sum(1, keepdim=True)
    result: Tensor = luma + (changed - luma) * saturation
    return result.clamp(0, 1)
