"""Random draws from a sample's own generator, and the checks of the ranges they draw from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from segsr.errors import SegSRError

T = TypeVar("T")
Number = float | int
Range = Sequence[Number]
"""Lowest and highest value of a uniform draw."""


def uniform(bounds: Range, generator: torch.Generator) -> float:
    """A number between the two `bounds`."""
    low, high = bounds
    return float(low + (high - low) * _unit(generator))


def chance(probability: Number, generator: torch.Generator) -> bool:
    """True with `probability`."""
    return _unit(generator) < probability


def pick(options: Sequence[T], generator: torch.Generator) -> T:
    """One of `options`, each equally likely."""
    return options[int(_unit(generator) * len(options))]


def weighted(options: Mapping[T, Number], generator: torch.Generator) -> T:
    """One of the keys, each as likely as its weight."""
    weights = torch.tensor([float(weight) for weight in options.values()], dtype=torch.float64)
    return list(options)[int(torch.multinomial(weights, 1, generator=generator))]


def either_side_of_one(bounds: Range, generator: torch.Generator) -> float:
    """Half of the time a number from the lowest to 1, else from 1 to the highest of `bounds`.

    How Real-ESRGAN draws the exponents of its kernels.
    """
    low, high = bounds
    below, above = (min(low, 1), min(high, 1)), (max(low, 1), max(high, 1))
    return uniform(below if chance(0.5, generator) else above, generator)


def seed(generator: torch.Generator) -> int:
    """A seed for a generator of its own, small enough for JSON."""
    return int(torch.randint(2**53, (), generator=generator))


def check_range(name: str, bounds: Range, lowest: Number = 0, highest: Number = math.inf) -> None:
    """Makes sure that `bounds` rise and lie within lowest ... highest.

    Raises:
        SegSRError: They do not.
    """
    if len(bounds) != 2 or not lowest <= bounds[0] <= bounds[1] <= highest:
        raise SegSRError(
            f"{name} must be two rising numbers from {lowest:g} to {highest:g}, got "
            f"{list(bounds)}: correct the range"
        )


def check_probability(**named: Number) -> None:
    """Makes sure that every value is a probability.

    Raises:
        SegSRError: One is not.
    """
    for name, value in named.items():
        if not 0 <= value <= 1:
            raise SegSRError(f"{name} must be a probability from 0 to 1, got {value}: correct it")


def check_options(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Makes sure that something is given and nothing is unknown.

    Raises:
        SegSRError: Naming what may be given.
    """
    unknown = sorted(set(given) - set(known))
    if unknown or not given:
        raise SegSRError(
            f"{name} must be among {', '.join(known)}, got {', '.join(unknown) or 'none'}: "
            "correct the name"
        )


def check_sizes(sizes: Sequence[int]) -> None:
    """Makes sure that kernel sizes are odd.

    Raises:
        SegSRError: One is not, or there is none.
    """
    if not sizes or any(size < 1 or size % 2 == 0 for size in sizes):
        raise SegSRError(f"sizes of kernels must be odd, got {list(sizes)}: take 7, 9, ... 21")


def _unit(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float64))
