"""HQ -> LQ: synthetic degradation of image batches, on any device."""

from segsr.degradation.mixture import Mixture
from segsr.degradation.pipeline import Degradation, Pipeline
from segsr.degradation.stages import (
    Blur,
    EitherOrder,
    Jpeg,
    Noise,
    Resize,
    Shrink,
    SincFilter,
    Stage,
)

__all__ = [
    "Blur",
    "Degradation",
    "EitherOrder",
    "Jpeg",
    "Mixture",
    "Noise",
    "Pipeline",
    "Resize",
    "Shrink",
    "SincFilter",
    "Stage",
]
