"""The second tab: the mask of a photograph as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segsr.app.legend import Entry, legend, overlay
from segsr.app.visitors import Visit
from segsr.files.atomic import write_atomic
from segsr.files.mask import write_mask
from segsr.files.photo import read_photo
from segsr.labeling.base import label
from segsr.labeling.task import TaskLabeler


@dataclass
class Labelled:
    """What the page shows of a labelled photograph; addresses are relative to the page.

    Attributes:
        name: The photograph's file name.
        height: Of the photograph.
        width: Of the photograph.
        before: Address of the photograph.
        mask: Address of the mask's file.
        overlay: Address of the mask to be laid over the photograph.
        legend: What the mask shows.
    """

    name: str
    height: int
    width: int
    before: str
    mask: str
    overlay: str
    legend: list[Entry]


class Labels:
    """The packaged labeler, loaded when it is first asked."""

    def __init__(self) -> None:
        self._labeler: TaskLabeler | None = None

    def label_visit(self, visit: Visit) -> Labelled:
        """Return the mask of a visit's photograph, as `segsr label` draws it, its files written.

        Raises:
            SegSRError: If the labeler cannot be had or a file cannot be written.
        """
        if self._labeler is None:
            self._labeler = TaskLabeler().eval()
        photo = read_photo(visit.source)
        found = label(self._labeler, photo.image[None])
        mask, sure = found.masks[0], found.confidence[0].numpy()
        folder = visit.folder / "labels"
        write_mask(folder / "mask.png", mask)
        write_atomic(folder / "overlay.png", overlay(mask.numpy()))
        stem, (height, width) = Path(visit.name).stem, visit.size
        return Labelled(
            name=visit.name,
            height=height,
            width=width,
            before=visit.before,
            mask=visit.keep(folder / "mask.png", f"{stem}.png"),
            overlay=visit.keep(folder / "overlay.png", f"{stem}_overlay.png"),
            legend=legend(mask.numpy(), self._labeler.classes, sure),
        )
