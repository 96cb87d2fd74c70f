"""The arguments of each verb, with the standard library alone, so that help is instant."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr fit`."""
    add_recipe(parser)
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print the memory each device would need, without loading any weights, and stop",
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr test` and `segsr predict`: a recipe."""
    add_config(
        parser,
        example="conf/joint.yaml",
        default="conf/compact.yaml",
        overrides="trainer.max_steps=20, data=camvid, +new.key=1, ~key; resume with "
        "run_dir=FOLDER ckpt_path=last",
    )


def add_config(
    parser: argparse.ArgumentParser, *, example: str, default: str, overrides: str
) -> None:
    """A config file and what changes it."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"recipe: a YAML file anywhere, or a packaged one such as {example} "
        f"(default: {default})",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved recipe and stop"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help=f"change the recipe, in hydra's grammar: {overrides}",
    )


def add_upscale(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr upscale`."""
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="PHOTO|FOLDER", help="what to restore")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    add("--model", default="compact", help="compact, a checkpoint folder or a hub id")
    add("--steps", type=_positive, metavar="N", help="sampling steps (default: the model's own)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed draws the same details")
    add("--guidance", type=float, default=1.0, metavar="W", help="semantic guidance scale")
    add(
        "--fidelity", type=_share, metavar="W", help="of a controllable decoder: 0 free, 1 faithful"
    )
    add("--mask", type=Path, metavar="FILE|FOLDER", help="masks of your own instead of predictions")
    add("--scale", type=_scale, default=4, metavar="4", help="factor; only 4 is trained for")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--overwrite", action="store_true", help="redo results that exist instead of skipping them")


def add_degrade(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr degrade`."""
    add = parser.add_argument
    add("photos", type=Path, metavar="HQ_FOLDER", help="folder of photographs")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the pairs")
    add("--workers", type=_positive, default=1, metavar="N", help="processes, one core each")
    add_config(
        parser,
        example="conf/paper_testset.yaml",
        default="conf/degrade.yaml",
        overrides="seed=1, degradation=mild, pairs.crop=512",
    )


def add_label(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr label`."""
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder, list (.txt) or one photograph")
    add("-o", "--output", type=Path, required=True, metavar="MASKS", help="folder for the masks")
    add("--confidence", type=Path, metavar="DIR", help="folder for the labeler's confidence")
    add("--preview", type=Path, metavar="FILE", help="contact sheet to write, .png or .jpg")
    add_config(
        parser,
        example="conf/label.yaml",
        default="conf/label.yaml",
        overrides="labeler=eomt, threshold=0.3, batch_size=16, executor.trainer.devices=4, "
        "executor=ray part.index=0 part.count=16",
    )


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr evaluate`."""
    add = parser.add_argument
    add("--sr", type=Path, metavar="DIR", help="folder of restored photographs, any method's")
    add("--hq", type=Path, metavar="DIR", help="folder of the true photographs")
    add("--lq", type=Path, metavar="DIR", help="folder of what was restored, for the record")
    add("--masks", type=Path, metavar="DIR", help="folder of a method's masks")
    add("--labels", type=Path, metavar="DIR", help="folder of the true masks")
    add("-o", "--output", type=Path, metavar="OUT", help="folder for records and tables")
    add("--name", metavar="NAME", help="the method's name in tables (default: its folder's)")
    add_config(
        parser,
        example="conf/evaluate.yaml",
        default="conf/evaluate.yaml",
        overrides="metrics=[psnr,ssim,lpips], metrics=all, protocol=osediff, weights.pyiqa=FOLDER",
    )


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr benchmark`."""
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="folder for everything")
    add_config(
        parser,
        example="conf/table1.yaml",
        default="conf/table2.yaml",
        overrides="metrics=[psnr,acc], test_sets=realsr root=FOLDER, printed=segsr_table1",
    )


def add_import(parser: argparse.ArgumentParser) -> None:
    """Those of `segsr import`."""
    add = parser.add_argument
    add("kind", choices=("stablesr",), help="what the checkpoint is of")
    add("checkpoint", type=Path, metavar="CKPT", help="its .ckpt, or its tensors as .safetensors")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="model folder to write")
    add("--cfw", type=Path, metavar="FILE", help="autoencoder checkpoint with StableSR's CFW")
    add("--base-model", metavar="MODEL", help="whence autoencoder and prompt, if CKPT has none")
    add("--prompt-embedding", type=Path, metavar="FILE", help="instead of the empty prompt")
    add("--head-dim", type=_positive, metavar="N", help="channels per head of the U-Net (64)")
    add("--encoder-heads", type=_positive, default=4, metavar="N", help="of the time-aware encoder")
    add("--prediction-type", choices=("epsilon", "v_prediction"), default="epsilon")
    add("--sha256", metavar="HEX", help="digest that CKPT must have")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {number}")
    return number


def _scale(text: str) -> int:
    if text != "4":
        raise argparse.ArgumentTypeError(
            f"must be 4, got {text}: the models are trained for x4, resize the result instead"
        )
    return 4
