"""HQ -> LQ: synthetic degradation of image batches, on any device.

`recipe("real_esrgan")` is one of those that are packaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segsr.degradation.blur import Blur, SincFilter
from segsr.degradation.either_order import EitherOrder
from segsr.degradation.jpeg_stage import Jpeg
from segsr.degradation.mixture import Mixture
from segsr.degradation.noise_stage import Noise
from segsr.degradation.pipeline import Degradation, Pipeline
from segsr.degradation.resize import Resize, Shrink
from segsr.degradation.stage import Stage

if TYPE_CHECKING:
    from segsr.config.degradation import recipe

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
    "recipe",
]


def __getattr__(name: str) -> Any:
    if name == "recipe":  # which knows hydra and more; the rest of this package does not
        from segsr.config.degradation import recipe

        return recipe
    raise AttributeError(f"module 'segsr.degradation' has no attribute {name!r}")
