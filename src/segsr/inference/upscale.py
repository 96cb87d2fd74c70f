"""Files in, files out: `segsr upscale`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from segsr.batch import SCALE
from segsr.errors import SegSRError
from segsr.files.find import find_photos
from segsr.files.mask import read_mask, write_mask
from segsr.files.photo import read_photo, write_photo
from segsr.inference.bands import bands
from segsr.inference.memory import Tile, check_tile
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.size import Size
from segsr.model.options import SamplingOptions
from segsr.progress import SILENT, Progress


@dataclass
class Summary:
    """What became of the files of one call."""

    restored: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    errors: dict[Path, str] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Files that could not be restored."""
        return len(self.errors)


def upscale_files(
    inputs: Sequence[Path],
    output: Path,
    *,
    model: str = "compact",
    options: SamplingOptions | None = None,
    seed: int = 0,
    mask: Path | None = None,
    tile: Tile = "auto",
    size: Size | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Summary:
    """Restore photographs, one after another, and return what became of each.

    `photo.jpg` becomes `output/photo.png`, SCALE times as large or of another size, with its mask
    in colours as `output/photo_mask.png`, 255 (dark grey) where the model is unsure. The noise of a
    photograph depends on `seed` and its file name only. A bad file is reported and the rest goes
    on; files are complete or not there at all.

    Args:
        inputs: Photographs, and folders of them.
        output: Folder of the results; made if missing.
        model: `compact`, a model folder or a hub id.
        options: How to sample; as the model was trained if None.
        seed: Key of the noise, together with the file's name.
        mask: A mask file for the one photograph, or a folder of masks with the photographs' stems;
            a photograph without one gets SegDM's.
        tile: Side of a tile in HQ pixels; `auto` as memory allows, `off` for none.
        size: Of the results; SCALE times the photographs' if None.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: Restore again what has been restored.
        progress: Hears of each step, and why a photograph failed.

    Raises:
        SegSRError: If no input is a photograph, a mask cannot belong to any, the model cannot be
            loaded, or the options ask what it cannot do.
    """
    photos = find_photos(list(inputs))
    if mask is not None and mask.is_file() and len(photos) > 1:
        raise SegSRError(
            f"one mask, {mask}, was given for {len(photos)} photographs: give a folder of masks."
        )
    if mask is not None and not mask.exists():
        raise SegSRError(f"no mask {mask}: give a PNG, or a folder of PNGs.")
    check_tile(tile)
    options = options or SamplingOptions()
    pipeline = SegSRPipeline.from_pretrained(model).to(find_device(device))
    pipeline.model.image.check(options)
    steps = options.steps or pipeline.model.image.steps
    summary = Summary()
    written: set[Path] = set()
    progress.start("restoring", steps * len(photos))
    for i, photo in enumerate(photos):
        result = output / f"{photo.stem}.png"
        progress.reach(steps * i, photo.name)
        if result in written:
            summary.errors[photo] = f"{result} was just written for another photograph: rename"
        elif result.exists() and not overwrite:
            summary.skipped.append(photo)
        else:
            try:
                given = _mask_of(photo, mask)
                _upscale(pipeline, photo, result, seed, options, given, tile, size, progress)
                summary.restored.append(photo)
            except Exception as error:
                summary.errors[photo] = _reason(error)
        written.add(result)
        if photo in summary.errors:
            progress.tell("failed", f"{photo}: {summary.errors[photo]}")
    progress.reach(steps * len(photos), "done")
    return summary


def find_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        SegSRError: If the device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((device for device, there in present.items() if there), "cpu"))
    if not present.get(name, True):
        raise SegSRError(f"no {name} device is available here: use --device cpu or auto.")
    return torch.device(name)


def _mask_of(photo: Path, mask: Path | None) -> Path | None:
    if mask is None or mask.is_file():
        return mask
    candidate = mask / f"{photo.stem}.png"
    return candidate if candidate.exists() else None


def _upscale(
    pipeline: SegSRPipeline,
    path: Path,
    result: Path,
    seed: int,
    options: SamplingOptions,
    mask: Path | None,
    tile: Tile,
    size: Size | None,
    progress: Progress,
) -> None:
    photo = read_photo(path)
    height, width = photo.image.shape[-2:]
    layout = pipeline.lay_out(height, width, options, tile)
    count = len(bands(height, layout)[1])
    if count > 1:  # minutes to hours: a line of its own tells the time left
        steps = options.steps or pipeline.model.image.steps
        what = f"{path.name}: {SCALE * width}x{SCALE * height} px in {count} bands"
        progress.start(what, steps * count)
    restoration = pipeline(
        photo.image,
        options,
        seed=seed,
        name=path.name,
        tile=tile,
        mask=None if mask is None else read_mask(mask),
        on_step=lambda t: progress.advance(),
        **asdict(size or Size()),
    )
    done = restoration.enlargement
    if done is not None and (done.resized or done.passes > 1):
        progress.tell("note", f"{path.name}: {done}")
    # The photograph last: that it exists means that the mask does.
    write_mask(result.with_name(f"{path.stem}_mask.png"), restoration.mask.cpu())
    write_photo(result, restoration.image.cpu(), photo)


def _reason(error: Exception) -> str:
    lacking = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    if lacking or "DefaultCPUAllocator" in str(error):  # a CPU's lack is a plain RuntimeError
        return "not enough memory: give a smaller --tile"
    return " ".join(str(error).split()) or type(error).__name__
