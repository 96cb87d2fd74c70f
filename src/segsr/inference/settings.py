"""Everything a user chooses that a result depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from segsr.errors import SegSRError
from segsr.files.formats import result_suffix
from segsr.inference.memory import Tile, check_tile
from segsr.inference.size import Size
from segsr.model.options import SamplingOptions


@dataclass(frozen=True)
class Settings:
    """How photographs become results; a result's record holds every field.

    Whatever is added here, or in a dataclass that stands here, is compared and recorded without
    more ado, if JSON can hold it.

    Attributes:
        options: How to sample.
        seed: Key of the noise, together with the photograph's name.
        size: Of the results; SCALE times the photographs' if it names none.
        tile: Side of a tile in HQ pixels; `auto` as memory allows, `off` for none.
        format: Of the results: a name of `segsr.files.formats.RESULT_FORMATS`, or `same`.
        quality: Of JPEG, WebP and AVIF, 1 to 100; None for the format's usual one.

    Raises:
        SegSRError: If a value is out of its range.
    """

    options: SamplingOptions = field(default_factory=SamplingOptions)
    seed: int = 0
    size: Size = field(default_factory=Size)
    tile: Tile = "auto"
    format: str = "png"
    quality: int | None = None

    def __post_init__(self) -> None:
        check_tile(self.tile)
        result_suffix(self.format, Path())
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SegSRError(f"quality is {self.quality}, but must be from 1 to 100.")
