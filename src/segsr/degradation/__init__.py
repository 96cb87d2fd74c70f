"""HQ -> LQ: synthetic degradation of image batches, on any device."""

from segsr.degradation.pipeline import Bicubic, Degradation, FirstOrder

__all__ = ["Bicubic", "Degradation", "FirstOrder"]
