"""Train the compact model from nothing to its table: all stages, within a budget of minutes.

    python tools/train_compact.py --data DATA --out OUT --minutes 600 --device cpu \
        --teacher realesrgan_x4plus.safetensors --vgg vgg_shift_tolerant.pth

DATA holds labelmefacade/, camvid/, photos/ and, if there is one, extra/ (conf/data/compact*.yaml).
OUT/weights becomes the model folder, OUT/runs keeps every stage's curve and checkpoints. Killed at
any moment, the same command goes on: stages that are done are skipped, one that was begun resumes.
With --round N+1 all stages are trained again from what round N left.

Each stage is `segsr fit` with a recipe of conf/. On CUDA the image's and the mask's stages run side
by side, since the mask's networks are too small to fill a device.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CONF = Path(__file__).parents[1] / "conf"


@dataclass(frozen=True)
class Stage:
    """A recipe, its share of the minutes and what it needs beside them.

    Attributes:
        recipe: Name of the file in conf/.
        share: Of the budget, along its road.
        data: Its data recipe; None keeps the recipe's own.
        again: Overrides with which a later round starts from the weights there are.
    """

    recipe: str
    share: float
    data: str | None
    again: tuple[str, ...] = ()


BASIS = Stage("compact_autoencoder", 0.0, "compact_photos")
IMAGE = (
    Stage(
        "compact_srdm",
        0.33,
        "compact_photos",
        (
            "model.srdm.controller=${pretrained.controller}",
            "model.srdm.denoiser=${pretrained.denoiser}",
        ),
    ),
    Stage("compact_truth", 0.45, "compact_photos"),
)
MASK = (
    Stage("compact_prior", 0.39, "compact", ("model.prior=${pretrained.prior}",)),
    Stage("compact_segdm", 0.39, "compact", ("model.denoiser=${pretrained.seg_denoiser}",)),
)
JOINT = Stage("compact_joint", 0.22, "compact", ("model.bridge=${pretrained.bridge}",))
ON_CPU_MASK_SHARE = 0.5  # there the two roads follow each other


def main() -> None:
    """Run the stages that are not done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="for training, all stages")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--teacher", type=Path, help="the file of tools/realesrgan_from_ncnn.py")
    parser.add_argument("--vgg", type=Path, help="vgg_shift_tolerant.pth")
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--stages", nargs="*", help="recipes to run; all if not given")
    parser.add_argument("override", nargs="*", help="of every recipe: key=value")
    arguments = parser.parse_args()
    run = Runner(arguments)
    run(BASIS)
    if arguments.device == "cuda":
        with ThreadPoolExecutor(2) as roads:
            done = [
                roads.submit(lambda road: [run(s) for s in road], road) for road in (IMAGE, MASK)
            ]
            for road in done:
                road.result()
    else:
        for stage in (*IMAGE, *MASK):
            run(stage)
    run(JOINT)


class Runner:
    """Runs a stage as a process of its own, or finds that it is done."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.weights = arguments.out / "weights"
        self.runs = arguments.out / "runs" / f"round{arguments.round}"

    def __call__(self, stage: Stage) -> None:
        """Run `stage`.

        Raises:
            SystemExit: With the status of a stage that failed.
        """
        arguments = self.arguments
        folder = self.runs / stage.recipe
        if (folder / "done").exists() or (
            arguments.stages and stage.recipe not in arguments.stages
        ):
            return
        if stage is BASIS and arguments.round > 1:
            return
        command = [
            sys.executable,
            "-m",
            "segsr.cli",
            "fit",
            "-c",
            str(CONF / f"{stage.recipe}.yaml"),
        ]
        print("stage", stage.recipe, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{stage.recipe}.log").open("a") as log:
            finished = subprocess.run(
                [*command, *self.overrides(stage, folder)], stdout=log, stderr=subprocess.STDOUT
            )
        if finished.returncode:
            text = Path(log.name).read_text().strip().splitlines()[-12:]
            print("\n".join(text), file=sys.stderr)
            sys.exit(finished.returncode)
        (folder / "done").touch()

    def overrides(self, stage: Stage, folder: Path) -> list[str]:
        """Return the overrides of a stage's recipe."""
        arguments = self.arguments
        cuda = arguments.device == "cuda"
        found = [f"run_dir={folder}", f"output={self.weights}", "trainer.limit_val_batches=0"]
        found += ["trainer.enable_progress_bar=false", "trainer.logger.tensorboard=null"]
        if stage.recipe != "compact_prior" and (stage is not BASIS):
            found.append(f"weights={self.weights}")
        if stage.data:
            found += [f"data={stage.data}", f"data.root={arguments.data}"]
        if stage is not BASIS:
            minutes = stage.share * arguments.minutes
            minutes *= 1 if cuda or stage is JOINT else ON_CPU_MASK_SHARE
            found += [f"trainer.callbacks.budget.minutes={minutes:.4f}"]
            found += ["trainer.callbacks.budget.steps=null", "trainer.max_steps=-1"]
            found += ["trainer.callbacks.checkpoint.save_top_k=1"]
        if stage.recipe == "compact_srdm" and arguments.teacher:
            found.append(f"teacher={arguments.teacher}")
        if stage.recipe in ("compact_truth", "compact_joint") and arguments.vgg:
            found.append(f"vgg={arguments.vgg}")
        if arguments.round > 1:
            found += stage.again
            found += [] if stage.recipe != "compact_prior" else [f"weights={self.weights}"]
        if cuda and stage is not BASIS:
            found += self.on_cuda(stage)
        if (folder / "checkpoints").is_dir():
            found.append("ckpt_path=last")
        return found + arguments.override

    def on_cuda(self, stage: Stage) -> list[str]:
        """Return what fills a device and feeds it: larger batches, and every core degrading."""
        cores = os.cpu_count() or 1
        share, batch = (11, 64) if stage in IMAGE else (4, 32) if stage in MASK else (14, 32)
        return [
            "trainer.accelerator=gpu",
            "trainer.log_every_n_steps=50",
            "trainer.callbacks.checkpoint.every_n_train_steps=1000",
            f"data.num_workers={max(1, cores * share // 16)}",
            "data.degrade_in_workers=true",
            "data.passes=100",
            "data.crop_size=256",
            f"data.batch_size={batch}",
        ]


if __name__ == "__main__":
    main()
