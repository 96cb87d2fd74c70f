"""What `segsr label` does with a recipe: photographs listed, a labeler built, masks drawn."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf

from segsr.batch import UNKNOWN_INDEX
from segsr.config import build, require
from segsr.errors import Interrupted, SegSRError
from segsr.labeling.label_photos import LabelingSummary, Part, label_photos
from segsr.labeling.label_shard import Settings
from segsr.labeling.photos import find_photos_to_label
from segsr.labeling.preview import check_name, write_preview
from segsr.run_folder import is_rank_zero


def label(
    cfg: DictConfig,
    source: Path,
    output: Path,
    *,
    confidence: Path | None = None,
    preview: Path | None = None,
) -> LabelingSummary:
    """Draw the masks of the photographs in `source`; see `segsr.labeling.label_photos`.

    Args:
        cfg: Recipe such as conf/label.yaml.
        source: Folder, list, or one photograph.
        output: Folder of the masks.
        confidence: Folder of confidence images, if wanted.
        preview: PNG or JPEG file of a contact sheet, if wanted.

    Raises:
        SegSRError: If the recipe is not complete or names what is not there, or nothing can be
            labelled or written.
        KeyboardInterrupt: Ctrl-C was pressed, or SIGTERM came (then `segsr.errors.Interrupted`).
    """
    require(cfg, "labeler", "executor", "vocabulary")
    _quieten_lightning()
    labeler = OmegaConf.to_container(cfg.labeler, resolve=True)
    classes = _names(cfg.vocabulary.get("names"))
    _check_numbers(cfg)
    photos = find_photos_to_label(source, None if cfg.root is None else Path(cfg.root))
    if preview is not None:
        check_name(preview)
        same_name = (item.photo for item in photos.items if item.photo.name == preview.name)
        if preview.resolve() in {photo.resolve() for photo in same_name}:
            raise SegSRError(f"the preview would replace the photograph {preview}: name another")
    settings = Settings(
        output=output,
        confidence=confidence,
        batch_size=cfg.batch_size,
        threshold=cfg.threshold,
        threads=cfg.threads,
    )
    try:
        with _sigterm_interrupts():
            summary = label_photos(
                photos,
                settings,
                build(cfg.executor),
                partial(build, labeler),
                classes=classes,
                recipe=yaml.safe_dump({"labeler": labeler, "threshold": float(cfg.threshold)}),
                shard_size=cfg.shard_size,
                part=Part(**cfg.part),
            )
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None  # Lightning turns it into exit status 1
        raise
    if preview is not None and is_rank_zero():
        write_preview(preview, photos.items, output, classes, count=cfg.preview_photos)
    return summary


def _names(names: object) -> list[str]:
    """The vocabulary's names, if masks can hold them."""
    if not isinstance(names, ListConfig) or not all(isinstance(name, str) for name in names):
        raise SegSRError(
            f"vocabulary.names must be a list of words, got {names}: put what YAML takes for a"
            ' number or a truth value (no, on, 1) in quotes, "no"'
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SegSRError(f"vocabulary.names has {', '.join(twice)} more than once: leave one")
    if not 1 <= len(names) <= UNKNOWN_INDEX:
        raise SegSRError(
            f"vocabulary.names must have 1 to {UNKNOWN_INDEX} names, as masks have 8 bits a pixel,"
            f" got {len(names)}: merge some"
        )
    return list(names)


def _check_numbers(cfg: DictConfig) -> None:
    whole = ("batch_size", "threads", "shard_size", "preview_photos", "part.index", "part.count")
    for key in whole:
        if type(value := OmegaConf.select(cfg, key)) is not int:
            raise SegSRError(f"{key} must be a whole number, got {value}: correct it")
    if type(cfg.threshold) not in (int, float):
        raise SegSRError(f"threshold must be a number from 0 to 1, got {cfg.threshold}: correct it")


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Makes of SIGTERM, which `Trainer.predict` would only log, what Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _quieten_lightning() -> None:
    """Leave out Lightning's hints, which are for training, and a warning of its own to itself."""
    import lightning.pytorch  # noqa: F401  (sets its logger's level when it is imported)

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
