"""The model behind the page: a photograph of a visit to files of the visit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from segsr.app.change import Change, change
from segsr.app.legend import Entry, class_names, legend, overlay, sure_shares
from segsr.app.settings import Settings, command, model_name, record
from segsr.app.turns import Turn
from segsr.app.visitors import Visit
from segsr.batch import IGNORE_INDEX, SCALE
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic, write_text
from segsr.files.mask import read_mask, write_mask
from segsr.files.photo import Photo, read_photo, write_photo
from segsr.files.pixels import read_image
from segsr.inference.bands import bands
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.restoration import Restoration
from segsr.model.options import SamplingOptions

GALLERY = 8
"""Steps of a trajectory that are shown at most."""
_GALLERY_SIDE = 384
_GALLERY_PIXELS = 2**25  # of all steps' pictures together, for they are in memory at once


@dataclass(frozen=True)
class Shown:
    """A step of the trajectory.

    Attributes:
        t: Its time on the clock.
        image: Address of its picture.
        overlay: Address of its mask, to be laid over it.
    """

    t: int
    image: str
    overlay: str


@dataclass
class Result:
    """What the page shows of a restoration; addresses are relative to the page.

    Attributes:
        visit: Token of the photograph's visit.
        name: The photograph's file name.
        height: Of the photograph.
        width: Of the photograph.
        size: Height and width of the restored one.
        before: Address of the photograph.
        picture: Address of the restored one.
        mask: Address of the mask's file.
        overlay: Address of the mask to be laid over the picture.
        settings: Address of the record.
        held: Address of the file of what was painted, if anything was.
        command: The command line that does the same.
        legend: What the mask shows.
        steps: Some of the trajectory, if it has more than one.
        seconds: It took.
        change: What the painted mask changed, if that can be told.
    """

    visit: str
    name: str
    height: int
    width: int
    size: tuple[int, int]
    before: str
    picture: str
    mask: str
    overlay: str
    settings: str
    command: str
    legend: list[Entry]
    held: str | None = None
    steps: list[Shown] = field(default_factory=list)
    seconds: float = 0.0
    change: Change | None = None


class Restorer:
    """A loaded model.

    Args:
        pipeline: Of the model, on its device.
        model: As the command line names it.
    """

    def __init__(self, pipeline: SegSRPipeline, model: str) -> None:
        self.pipeline = pipeline
        self.model = model_name(model)
        self.steps = int(pipeline.model.image.steps)
        self.classes = class_names(pipeline.model.mask.num_classes)

    @property
    def has_fidelity(self) -> bool:
        """Whether the model has a controllable decoder."""
        try:
            self.pipeline.model.image.check(SamplingOptions(fidelity=1.0))
        except SegSRError:
            return False
        return True

    def steps_of(self, settings: Settings) -> int:
        """Return how many sampling steps a restoration takes."""
        return settings.options.steps or self.steps

    def restore(
        self,
        photo: Photo,
        name: str,
        settings: Settings,
        turn: Turn,
        mask: Int[Tensor, "mh mw"] | None = None,
        *,
        trajectory: bool = False,
    ) -> Restoration:
        """Return what `segsr upscale` computes of the file `name`.

        Raises:
            SegSRError: If the mask or an option does not fit.
            segsr.app.turns.Stopped: If nobody waits for it any more.
        """
        return self.pipeline(
            photo.image,
            settings.options,
            seed=settings.seed,
            name=name,
            mask=mask,
            trajectory=trajectory,
            on_step=turn.advance,
            scale=settings.scale,
        )

    def restore_visit(
        self,
        visit: Visit,
        settings: Settings,
        turn: Turn,
        held: Int[Tensor, "h w"] | None = None,
    ) -> Result:
        """Return the restored photograph of a visit, with all its files written.

        Args:
            visit: With a photograph that was accepted.
            settings: What was chosen.
            turn: Hears of each step.
            held: What was painted, 255 elsewhere, as large as the photograph.

        Raises:
            SegSRError: If an option does not fit, or a file cannot be written.
            segsr.app.turns.Stopped: If nobody waits for it any more.
        """
        photo, name = read_photo(visit.source), visit.name
        height, width = visit.size
        steps = self.steps_of(settings)
        several = steps > 1 and steps * height * width * SCALE**2 <= _GALLERY_PIXELS
        layout = self.pipeline.lay_out(height, width, settings.options, "auto")
        whole = len(bands(height, layout)[1]) == 1
        done = self.restore(photo, name, settings, turn, held, trajectory=several and whole)
        stem = Path(name).stem
        visit.restorations += 1
        folder = visit.folder / f"{visit.restorations}"
        keep = visit.keep
        write_mask(folder / "mask.png", done.mask.cpu())
        write_photo(folder / "picture.png", done.image.cpu(), photo)
        mask, classes = done.mask.cpu().numpy(), done.classes.cpu().numpy()
        write_atomic(folder / "overlay.png", overlay(mask))
        painted = None
        if held is not None:
            write_mask(folder / "held.png", held)
            painted = (f"{stem}_held.png", (folder / "held.png").read_bytes())
        text = record(name, visit.source.read_bytes(), visit.size, self.model, settings, painted)
        write_text(folder / "settings.json", text)
        return Result(
            visit=visit.token,
            name=name,
            height=height,
            width=width,
            size=mask.shape,
            before=visit.before,
            picture=keep(folder / "picture.png", f"{stem}.png"),
            mask=keep(folder / "mask.png", f"{stem}_mask.png"),
            overlay=keep(folder / "overlay.png", f"{stem}_overlay.png"),
            settings=keep(folder / "settings.json", f"{stem}.json", "application/json"),
            held=painted and keep(folder / "held.png", painted[0]),
            command=command(name, self.model, settings, painted and painted[0]),
            legend=legend(mask, self.classes, self._confidence(mask, classes)),
            steps=self._gallery(done, visit, folder),
            change=_compare(visit, settings, folder, held),
        )

    def _confidence(
        self, mask: npt.NDArray[np.integer], classes: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float64] | None:
        """None of a model that never says that it is unsure."""
        return sure_shares(mask, classes) if self.pipeline.model.mask.confidence else None

    def _gallery(self, done: Restoration, visit: Visit, folder: Path) -> list[Shown]:
        seen = done.trajectory
        if len(seen) < 2:
            return []
        places = np.unique(np.linspace(0, len(seen) - 1, min(GALLERY, len(seen))).round())
        shown = []
        for step in (seen[int(place)] for place in places):
            pixels = (step.image.cpu().permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
            picture, labels = Image.fromarray(pixels), step.mask.cpu().numpy()
            shrink = min(1.0, _GALLERY_SIDE / max(picture.size))
            size = (max(1, round(shrink * side)) for side in picture.size)
            picture = picture.resize((next(size), next(size)), Image.Resampling.LANCZOS)
            small = Image.fromarray(labels.astype(np.uint8)).resize(
                picture.size, Image.Resampling.NEAREST
            )
            image, mask = folder / f"step_{step.t}.png", folder / f"step_{step.t}_mask.png"
            picture.save(image)
            write_atomic(mask, overlay(np.asarray(small)))
            shown.append(Shown(step.t, *(visit.keep(path, path.name) for path in (image, mask))))
        return shown


def _compare(
    visit: Visit, settings: Settings, folder: Path, held: Int[Tensor, "h w"] | None
) -> Change | None:
    """What was changed since the restoration of the same settings with nothing painted."""
    if held is None:
        visit.plain = (settings, folder)
        return None
    cells = held.numpy()
    if visit.plain is None or visit.plain[0] != settings or (cells == IGNORE_INDEX).all():
        return None
    plain = visit.plain[1]
    found = read_mask(plain / "mask.png").numpy()
    return change(_pixels(plain / "picture.png"), _pixels(folder / "picture.png"), cells, found)


def _pixels(path: Path) -> npt.NDArray[np.uint8]:
    return read_image(path).permute(1, 2, 0).numpy()
