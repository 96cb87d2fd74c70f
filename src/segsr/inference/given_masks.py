"""Masks of the user's own: which belongs to which photograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segsr.errors import SegSRError
from segsr.inference.places import Place


def find_given_masks(places: Sequence[Place], mask: Path | None) -> dict[Path, Path]:
    """Return the mask of each photograph that has one.

    In a folder it stands where the photograph stands in its own, or right in it, with the
    photograph's stem or the name under which `segsr upscale` writes its mask.

    Args:
        places: The photographs.
        mask: A mask, of the one photograph, or a folder of masks.

    Raises:
        SegSRError: If there is no such file or folder, or it cannot belong to the photographs.
    """
    if mask is None:
        return {}
    if mask.is_file():
        if len(places) > 1:
            raise SegSRError(
                f"one mask, {mask}, was given for {len(places)} photographs: give a folder of masks"
            )
        return {place.photo: mask for place in places}
    if not mask.is_dir():
        raise SegSRError(f"no mask {mask}: give a PNG, or a folder of PNGs.")
    given = {}
    for place in places:
        names = dict.fromkeys([f"{place.key.name}.png", f"{place.photo.stem}.png"])
        candidates = [folder / name for folder in (mask / place.key.parent, mask) for name in names]
        if found := next(filter(Path.is_file, candidates), None):
            given[place.photo] = found
    if not given:
        raise SegSRError(
            f"no mask in {mask} belongs to a photograph: name masks as the photographs, with .png"
        )
    return given
