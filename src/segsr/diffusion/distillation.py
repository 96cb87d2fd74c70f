"""Variational score distillation: how a student's results become those of a diffusion teacher.

Two denoisers look at the noised result of the student: the teacher, which knows how results should
be distributed, and a copy that keeps learning how the student's are. The difference of their
predictions is the direction in which the result becomes more likely for the one than for the other:
the gradient of the divergence between both distributions.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FIRST, LAST = 20, 979
"""Timesteps that results are noised to: OSEDiff's, as those of DMD, leave the ends out."""


def score_distillation(
    x0: Float[Tensor, "b c h w"],
    real: Float[Tensor, "b c h w"],
    fake: Float[Tensor, "b c h w"],
) -> Float[Tensor, ""]:
    """Return a loss whose gradient in `x0` is 2 (fake - real) / w over the number of elements.

    w is each sample's mean absolute difference between `x0` and `real`, which keeps the gradient of
    one size at all noise levels (DMD, equation 8; OSEDiff). Nothing flows into either prediction.

    Args:
        x0: The student's clean states.
        real: The teacher's prediction of them from their noised version.
        fake: The prediction of the network that learns the student's distribution.
    """
    weight = (x0 - real).abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
    return F.mse_loss(x0, (x0 - (fake - real) / weight).detach())
