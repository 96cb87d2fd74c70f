"""Draw the masks of photographs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segsr.cli.recipe import add_recipe, with_recipe
from segsr.cli.statuses import done_or_failed
from segsr.errors import SegSRError
from segsr.ranks import is_rank_zero

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from segsr.labeling.label_photos import LabelingSummary
    from segsr.labeling.photos import PhotosToLabel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to label, where to, and a recipe."""
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder, list (.txt) or one photograph")
    add("-o", "--output", type=Path, required=True, metavar="MASKS", help="folder for the masks")
    add("--confidence", type=Path, metavar="DIR", help="folder for the labeler's confidence")
    add("--preview", type=Path, metavar="FILE", help="contact sheet to write, .png or .jpg")
    add_recipe(
        parser,
        "label",
        example="label",
        overrides="labeler=eomt, threshold=0.3, batch_size=16, executor.trainer.devices=4, "
        "executor=ray part.index=0 part.count=16",
    )


@with_recipe
def run(arguments: argparse.Namespace, cfg: DictConfig) -> int:
    """Label; status 1 if a photograph has no mask in the end."""
    from segsr.config import require
    from segsr.labeling.photos import find_photos_to_label

    require(cfg, "labeler", "executor", "vocabulary")
    classes = _names(cfg.vocabulary.get("names"))
    _check_numbers(cfg)
    photos = find_photos_to_label(arguments.photos, None if cfg.root is None else Path(cfg.root))
    if arguments.preview is not None:
        _check_preview(arguments.preview, photos)
    summary = _label(arguments, cfg, photos, classes)
    if is_rank_zero():
        _report(arguments, cfg, photos, classes, summary)
    return done_or_failed(summary.failed)


def _label(
    arguments: argparse.Namespace, cfg: DictConfig, photos: PhotosToLabel, classes: list[str]
) -> LabelingSummary:
    from functools import partial

    import yaml
    from omegaconf import OmegaConf

    from segsr.cli.bar import Bar
    from segsr.cli.stopping import lightnings_exit_unwrapped, sigterm_interrupts
    from segsr.config import build
    from segsr.labeling.label_photos import Part, label_photos
    from segsr.labeling.label_shard import Settings

    labeler = OmegaConf.to_container(cfg.labeler, resolve=True)
    settings = Settings(
        output=arguments.output,
        confidence=arguments.confidence,
        batch_size=cfg.batch_size,
        threshold=cfg.threshold,
        threads=cfg.threads,
    )
    with lightnings_exit_unwrapped(), sigterm_interrupts(), Bar(visible=is_rank_zero()) as bar:
        return label_photos(
            photos,
            settings,
            build(cfg.executor),
            partial(build, labeler),
            classes=classes,
            recipe=yaml.safe_dump({"labeler": labeler, "threshold": float(cfg.threshold)}),
            shard_size=cfg.shard_size,
            part=Part(**cfg.part),
            progress=bar,
        )


def _report(
    arguments: argparse.Namespace,
    cfg: DictConfig,
    photos: PhotosToLabel,
    classes: list[str],
    summary: LabelingSummary,
) -> None:
    from segsr.cli.tables import print_shares
    from segsr.labeling.preview import write_preview

    if summary.made + summary.kept:
        print_shares(summary.shares(classes))
    others = f", {summary.unfinished} left to other jobs" if summary.unfinished else ""
    print(
        f"{summary.made} masks drawn, {summary.kept} kept (exist already), "
        f"{len(summary.failed)} failed{others}; masks in {arguments.output}",
        file=sys.stderr,
    )
    if arguments.preview is not None:
        write_preview(
            arguments.preview, photos.items, arguments.output, classes, count=cfg.preview_photos
        )


def _check_preview(preview: Path, photos: PhotosToLabel) -> None:
    from segsr.labeling.preview import check_name

    check_name(preview)
    same_name = (item.photo for item in photos.items if item.photo.name == preview.name)
    if preview.resolve() in {photo.resolve() for photo in same_name}:
        raise SegSRError(f"the preview would replace the photograph {preview}: name another")


def _names(names: object) -> list[str]:
    """The vocabulary's names, if masks can hold them."""
    from omegaconf import ListConfig

    from segsr.batch import UNKNOWN_INDEX

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
    from omegaconf import OmegaConf

    whole = ("batch_size", "threads", "shard_size", "preview_photos", "part.index", "part.count")
    for key in whole:
        if type(value := OmegaConf.select(cfg, key)) is not int:
            raise SegSRError(f"{key} must be a whole number, got {value}: correct it")
    if type(cfg.threshold) not in (int, float):
        raise SegSRError(f"threshold must be a number from 0 to 1, got {cfg.threshold}: correct it")
