"""HQ -> LQ: synthetic degradation of image batches, on any device."""

from segsr.degradation.blur import Blur, SincFilter
from segsr.degradation.either_order import EitherOrder
from segsr.degradation.jpeg_stage import Jpeg
from segsr.degradation.mixture import Mixture
from segsr.degradation.noise_stage import Noise
from segsr.degradation.pipeline import Degradation, Pipeline
from segsr.degradation.resize import Resize, Shrink
from segsr.degradation.stage import Stage

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
