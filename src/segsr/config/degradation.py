"""Degradations by the names of their recipes."""

from __future__ import annotations

from collections.abc import Sequence

from segsr.config.constructors import build
from segsr.config.load import load_recipe
from segsr.degradation import Degradation


def recipe(name: str = "real_esrgan", overrides: Sequence[str] = ()) -> Degradation:
    """The degradation that `conf/degradation/NAME.yaml` describes, ready to be called.

    Args:
        name: `real_esrgan` (the paper's), `first_order`, `mild`, `bicubic`, ...
        overrides: What to change of it, in hydra's grammar: `stages.noise1.gaussian_sigma=[1,15]`.

    Raises:
        SegSRError: No such recipe, or no such part of it.
    """
    changes = [_below_degradation(override) for override in overrides]
    degradation: Degradation = build(
        load_recipe("degrade", [f"degradation={name}", *changes]).degradation
    )
    return degradation


def _below_degradation(override: str) -> str:
    """`override` of a key below `degradation`, whatever stands before the key: `+`, `++`, `~`."""
    key = override.lstrip("+~")
    return f"{override[: len(override) - len(key)]}degradation.{key}"
