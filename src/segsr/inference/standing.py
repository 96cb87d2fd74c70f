"""Whether a result that is there already is the one that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from segsr.errors import SegSRError
from segsr.inference.places import Place
from segsr.inference.records import Making, Record, differences, read_record

Standing = Literal["missing", "same", "differs"]


def judge(place: Place, making: Callable[[], Making]) -> tuple[Standing, str]:
    """Return how a result stands to the one that is wanted, and what differs.

    What nobody can make again is never `missing`: a file that no record speaks of, or that was
    changed afterwards, differs.

    Args:
        place: The result, and its mask if one is wanted.
        making: What the wanted result depends on; asked if that must be compared.

    Raises:
        SegSRError: If what it is made of cannot be read.
    """
    mask_is_there = place.mask is not None and place.mask.exists()
    if not place.result.exists() and not mask_is_there:
        return "missing", ""
    try:
        record = read_record(place.result)
    except SegSRError as error:
        return "differs", str(error)
    if record is None:
        which = "it" if place.result.exists() else f"its mask {place.mask}"
        return "differs", f"{which} is there, and no record says how it was made"
    if place.result.exists():
        if not record.result.is_still(place.result):
            return "differs", "it was changed after it was made"
        if found := differences(record.making, making()):
            return "differs", ", ".join(found)
    if mask_is_there and not _is_masks_own(record, place):
        return "differs", f"its mask {place.mask} was changed after it was made"
    complete = place.result.exists() and (place.mask is None or mask_is_there)
    return ("same" if complete else "missing"), ""


def _is_masks_own(record: Record, place: Place) -> bool:
    return record.mask is not None and place.mask is not None and record.mask.is_still(place.mask)
