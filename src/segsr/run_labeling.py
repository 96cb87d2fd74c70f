"""What `segsr label` does with a recipe: photographs listed, a labeller built, masks drawn."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from segsr.config import build, require
from segsr.errors import SegSRError
from segsr.labeling.label_photos import Part, Summary, label_photos
from segsr.labeling.label_shard import Settings
from segsr.labeling.photos import find_items
from segsr.labeling.preview import write_preview
from segsr.run_folder import is_rank_zero


def label(
    cfg: DictConfig,
    source: Path,
    output: Path,
    *,
    confidence: Path | None = None,
    preview: Path | None = None,
) -> Summary:
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
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    require(cfg, "labeler", "executor", "vocabulary")
    _quieten_lightning()
    labeler = OmegaConf.to_container(cfg.labeler, resolve=True)
    classes = list(cfg.vocabulary.names)
    photos = find_items(source, None if cfg.root is None else Path(cfg.root))
    folders = {folder.resolve() for folder in {item.photo.parent for item in photos.items}}
    for folder in (output, confidence):
        if folder is not None and folder.resolve() in folders:
            raise SegSRError(f"{folder} holds photographs: name a folder for masks alone")
    settings = Settings(
        output=output,
        confidence=confidence,
        batch_size=cfg.batch_size,
        threshold=cfg.threshold,
        threads=cfg.threads,
    )
    try:
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


def _quieten_lightning() -> None:
    """Leave out Lightning's hints, which are for training, and a warning of its own to itself."""
    import lightning.pytorch  # noqa: F401  (sets its logger's level when it is imported)

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
