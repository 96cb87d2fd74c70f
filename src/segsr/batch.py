"""The batch glossary: every name, shape and range that data and tasks share.

| key    | tensor                                  | range                                    |
|--------|-----------------------------------------|------------------------------------------|
| `hq`   | float (B, 3, H, W), RGB                 | [0, 1]                                   |
| `lq`   | float (B, 3, H / SCALE, W / SCALE), RGB | [0, 1]                                   |
| `mask` | int64 (B, H, W)                         | class index, `IGNORE_INDEX`, or in       |
|        |                                         | training `UNKNOWN_INDEX`                 |
| `name` | list of B file names, without folders   | what random draws of a sample are keyed by |

A data module yields `hq`, `name` and, where labels exist, `mask`; `lq` is read from disk or
synthesised on the device. A task reads what it needs and never asks where it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Required, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 4
"""Super-resolution factor of the paper (section 4.1): every experiment is x4."""

IGNORE_INDEX = 255
"""Mask value of a pixel without a known class: no loss, no metric, no guidance comes from it."""

UNKNOWN_INDEX = 254
"""Mask value, in training alone, of a pixel of which the network must learn to be unsure."""


class Batch(TypedDict, total=False):
    """One batch of samples; see the table above for shapes and ranges."""

    hq: Tensor
    lq: Required[Tensor]
    mask: Tensor
    name: Required[list[str]]
