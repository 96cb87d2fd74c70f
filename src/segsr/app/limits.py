"""What a visitor may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from segsr.batch import SCALE


@dataclass(frozen=True)
class Limits:
    """The guard rails of a server.

    Attributes:
        bytes: Of one request.
        pixels: Of one photograph, before it is restored.
        queue: Restorations that may wait; one more is at work.
        scale: Times the size of a photograph at most.
        steps: Sampling steps of a restoration at most.
        keep: Seconds after which a visitor's files are deleted.
        photos: Photographs of one visitor that are kept; the oldest goes first.
        disk: Bytes of all visitors' files together.
    """

    bytes: int = 20 * 2**20
    pixels: int = 1_000_000
    queue: int = 8
    scale: int = SCALE
    steps: int = 50
    keep: float | int = 3600
    photos: int = 6
    disk: int = 4 * 2**30
