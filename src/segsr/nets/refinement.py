"""What smooths the seams between decoded patches: a small residual that reads and writes across."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Refinement(nn.Module):
    """Adds to an image made of patches what two 3x3 convolutions make of it.

    The first runs over whole patches, so it knows which pixels lie at a seam and sees what lies
    beyond; it gives every pixel `channels` features. The second runs over pixels, and so writes
    across seams alike. Fresh, the two change no bit.

    Args:
        channels: Features of a pixel.
        patch: Side of a patch in pixels.
    """

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.enter = nn.Conv2d(3 * patch**2, channels * patch**2, 3, padding=1)
        self.leave = nn.Conv2d(channels, 3, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the refined images; sides must be multiples of the patch."""
        features = F.pixel_shuffle(self.enter(F.pixel_unshuffle(images, self.patch)), self.patch)
        refined: Tensor = images + self.leave(F.silu(features))
        return refined
