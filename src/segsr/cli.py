"""The command line: `segsr VERB ...`.

Only the standard library is imported before a verb runs, so that help is instant.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from segsr.errors import Interrupted, SegSRError

if TYPE_CHECKING:
    from omegaconf import DictConfig

USAGE_ERROR = 2
KILLED = 128
"""What a shell adds to the number of the signal that ended a process."""


class Verb(NamedTuple):
    """One word of the command line: its line of help, its arguments, and what it does."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of `segsr ARGV`.

    0 done, 1 a file failed, 2 not usable, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    verb, rest = _split(list(sys.argv[1:] if argv is None else argv))
    parser = argparse.ArgumentParser(
        prog=f"segsr {verb}", description=VERBS[verb].summary, allow_abbrev=False
    )
    VERBS[verb].add_arguments(parser)
    arguments = parser.parse_intermixed_args(rest)
    try:
        return VERBS[verb].run(arguments)
    except SegSRError as error:
        print(f"segsr: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt as stop:
        return _interrupted(stop)


def fit(cfg: DictConfig) -> None:
    """Trains; says how to go on after Ctrl-C."""
    from segsr import run

    try:
        run.fit(cfg)
    except KeyboardInterrupt:
        _print_resume_command(cfg)
        raise


def plan(cfg: DictConfig) -> None:
    """Prints the memory that each device would need for a fit."""
    from segsr.config import require
    from segsr.planning.plan import plan_fit
    from segsr.planning.report import print_plan

    require(cfg, "model", "data", "trainer", complete=False)
    print_plan(plan_fit(cfg))


def test(cfg: DictConfig) -> None:
    """Tests; prints a table of the metrics."""
    from segsr import run
    from segsr.run_folder import is_rank_zero

    metrics = run.test(cfg)
    if is_rank_zero():
        _print_table(metrics)


def predict(cfg: DictConfig) -> None:
    """Predicts; the recipe's callbacks write the results."""
    from segsr import run

    run.predict(cfg)


def upscale(arguments: argparse.Namespace) -> int:
    """Restores photographs; status 1 if any of them failed."""
    from segsr.inference.upscale import upscale_files

    summary = upscale_files(
        inputs=arguments.inputs,
        output=arguments.output,
        model=arguments.model,
        steps=arguments.steps,
        seed=arguments.seed,
        guidance=arguments.guidance,
        fidelity=arguments.fidelity,
        mask=arguments.mask,
        device=arguments.device,
        overwrite=arguments.overwrite,
    )
    return 1 if summary.failed else 0


def degrade(arguments: argparse.Namespace) -> int:
    """Makes pairs of a folder of photographs; status 1 if any of them failed."""
    from segsr.config import build, load_config, require, resolved_yaml
    from segsr.data.degrade_folder import degrade_folder
    from segsr.files.find import find_images

    cfg = load_config(arguments.config, arguments.overrides, default="degrade")
    if arguments.print_config:
        print(resolved_yaml(cfg), end="")
        return 0
    require(cfg, "pairs")
    summary = degrade_folder(
        find_images(arguments.photos),
        arguments.output,
        build(cfg.pairs),
        recipe=resolved_yaml(cfg),
        workers=arguments.workers,
    )
    return 1 if summary.errors else 0


def label(arguments: argparse.Namespace) -> int:
    """Draws masks; status 1 if a photograph has none in the end."""
    from segsr import run_labeling
    from segsr.config import load_config, resolved_yaml

    cfg = load_config(arguments.config, arguments.overrides, default="label")
    if arguments.print_config:
        print(resolved_yaml(cfg), end="")
        return 0
    summary = run_labeling.label(
        cfg,
        arguments.photos,
        arguments.output,
        confidence=arguments.confidence,
        preview=arguments.preview,
    )
    return 1 if summary.failed else 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Measures a folder of results; status 1 if anything could not be measured."""
    from segsr import run_evaluation
    from segsr.config import load_config, resolved_yaml

    cfg = load_config(arguments.config, arguments.overrides, default="evaluate")
    if arguments.print_config:
        print(resolved_yaml(cfg), end="")
        return 0
    roles = {
        "restored": arguments.sr,
        "hq": arguments.hq,
        "lq": arguments.lq,
        "mask": arguments.masks,
        "label": arguments.labels,
    }
    folders = {role: folder for role, folder in roles.items() if folder is not None}
    if not {"restored", "mask"} & set(folders):
        raise SegSRError("nothing to evaluate: give --sr FOLDER, or --masks FOLDER with --labels")
    if arguments.output is None:
        raise SegSRError("no folder for the figures: give -o OUT")
    label = arguments.name or (arguments.sr or arguments.masks).resolve().name
    problems = run_evaluation.evaluate(cfg, folders, arguments.output, label)
    for problem in problems:
        print(f"segsr: {problem}", file=sys.stderr)
    print(f"written to {arguments.output}", file=sys.stderr)
    return 1 if problems else 0


def benchmark(arguments: argparse.Namespace) -> int:
    """Runs methods on test sets; status 1 if anything failed."""
    from segsr import run_benchmark
    from segsr.config import load_config, resolved_yaml

    cfg = load_config(arguments.config, arguments.overrides, default="table2")
    if arguments.print_config:
        print(resolved_yaml(cfg), end="")
        return 0
    if arguments.output is None:
        raise SegSRError("no folder for the results: give -o OUT")
    problems = run_benchmark.benchmark(cfg, arguments.output)
    for problem in problems:
        print(f"segsr: {problem}", file=sys.stderr)
    print(f"written to {arguments.output}", file=sys.stderr)
    return 1 if problems else 0


def import_(arguments: argparse.Namespace) -> int:
    """Imports a checkpoint; prints what was read, what was set aside and what to know."""
    from segsr.checkpoints.stablesr import NOT_KNOWN, import_stablesr
    from segsr.checkpoints.state_dict import enumerate_all

    read = import_stablesr(
        arguments.checkpoint,
        arguments.output,
        cfw=arguments.cfw,
        base_model=arguments.base_model,
        prompt_embedding=arguments.prompt_embedding,
        head_dim=arguments.head_dim,
        encoder_heads=arguments.encoder_heads,
        prediction_type=arguments.prediction_type,
        sha256=arguments.sha256,
    )
    for name, network in read.components.items():
        print(f"{name:<12} {sum(p.numel() for p in network.parameters()):>13,} parameters")
    for reason, keys in read.set_aside.items():
        most = len(keys) if reason == NOT_KNOWN else 5
        print(f"not read, {reason} ({len(keys)}): {enumerate_all(keys, most)}")
    for note in read.notes:
        print(note)
    print(f"written to {arguments.output}")
    return 0


def _fit_or_plan(arguments: argparse.Namespace) -> int:
    return _with_recipe(plan if arguments.plan else fit)(arguments)


def _with_recipe(act: Callable[[DictConfig], None]) -> Callable[[argparse.Namespace], int]:
    """The verb that loads the recipe its arguments ask for and acts on it, or only prints it."""

    def verb(arguments: argparse.Namespace) -> int:
        from segsr.config import load_config, resolved_yaml

        cfg = load_config(arguments.config, arguments.overrides)
        if arguments.print_config:
            print(resolved_yaml(cfg), end="")
        else:
            act(cfg)
        return 0

    return verb


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    _recipe_arguments(parser)
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print the memory each device would need, without loading any weights, and stop",
    )


def _recipe_arguments(parser: argparse.ArgumentParser) -> None:
    _config_arguments(
        parser,
        example="conf/joint.yaml",
        default="conf/compact.yaml",
        overrides="trainer.max_steps=20, data=camvid, +new.key=1, ~key; resume with "
        "run_dir=FOLDER ckpt_path=last",
    )


def _config_arguments(
    parser: argparse.ArgumentParser, *, example: str, default: str, overrides: str
) -> None:
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


def _upscale_arguments(parser: argparse.ArgumentParser) -> None:
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


def _degrade_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("photos", type=Path, metavar="HQ_FOLDER", help="folder of photographs")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the pairs")
    add("--workers", type=_positive, default=1, metavar="N", help="processes, one core each")
    _config_arguments(
        parser,
        example="conf/paper_testset.yaml",
        default="conf/degrade.yaml",
        overrides="seed=1, degradation=mild, pairs.crop=512",
    )


def _label_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder, list (.txt) or one photograph")
    add("-o", "--output", type=Path, required=True, metavar="MASKS", help="folder for the masks")
    add("--confidence", type=Path, metavar="DIR", help="folder for the labeller's confidence")
    add("--preview", type=Path, metavar="FILE", help="contact sheet to write, .png or .jpg")
    _config_arguments(
        parser,
        example="conf/label.yaml",
        default="conf/label.yaml",
        overrides="labeler=eomt, threshold=0.3, batch_size=16, executor.trainer.devices=4, "
        "executor=ray part.index=0 part.count=16",
    )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--sr", type=Path, metavar="DIR", help="folder of restored photographs, any method's")
    add("--hq", type=Path, metavar="DIR", help="folder of the true photographs")
    add("--lq", type=Path, metavar="DIR", help="folder of what was restored, for the record")
    add("--masks", type=Path, metavar="DIR", help="folder of a method's masks")
    add("--labels", type=Path, metavar="DIR", help="folder of the true masks")
    add("-o", "--output", type=Path, metavar="OUT", help="folder for records and tables")
    add("--name", metavar="NAME", help="the method's name in tables (default: its folder's)")
    _config_arguments(
        parser,
        example="conf/evaluate.yaml",
        default="conf/evaluate.yaml",
        overrides="metrics=[psnr,ssim,lpips], metrics=all, protocol=osediff, weights.pyiqa=FOLDER",
    )


def _benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="folder for everything")
    _config_arguments(
        parser,
        example="conf/table1.yaml",
        default="conf/table2.yaml",
        overrides="metrics=[psnr,acc], test_sets=realsr root=FOLDER, printed=segsr_table1",
    )


def _import_arguments(parser: argparse.ArgumentParser) -> None:
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


VERBS: Mapping[str, Verb] = {
    "fit": Verb("train a model", _fit_arguments, _fit_or_plan),
    "test": Verb("print a table of a model's metrics", _recipe_arguments, _with_recipe(test)),
    "predict": Verb("run a model over a data set", _recipe_arguments, _with_recipe(predict)),
    "label": Verb("draw the masks of photographs", _label_arguments, label),
    "degrade": Verb("make pairs of a folder of photographs", _degrade_arguments, degrade),
    "upscale": Verb("restore photographs at four times their size", _upscale_arguments, upscale),
    "evaluate": Verb("measure a folder of results", _evaluate_arguments, evaluate),
    "benchmark": Verb("compare methods on test sets", _benchmark_arguments, benchmark),
    "import": Verb("turn a foreign checkpoint into a model folder", _import_arguments, import_),
}


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """The verb and what follows it; help and version end here."""
    parser = argparse.ArgumentParser(
        prog="segsr",
        description="Segmentation-guided diffusion super-resolution.",
        epilog="verbs:\n"
        + "".join(f"  {name:<9} {verb.summary}\n" for name, verb in VERBS.items())
        + "\nsegsr VERB --help tells the arguments of a verb.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="segsr VERB ...",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("verb", nargs="?", choices=list(VERBS), metavar="VERB")
    arguments = parser.parse_args(argv[:1])
    if arguments.version:
        from segsr import __version__

        print(f"segsr {__version__}")
        parser.exit()
    if arguments.verb is None:
        parser.error(f"a verb is missing: {', '.join(VERBS)}")
    return arguments.verb, argv[1:]


def _interrupted(stop: KeyboardInterrupt) -> int:
    """The exit status after a signal: rank zero's tells it, another's would alarm the launcher."""
    from segsr.run_folder import is_rank_zero

    number = stop.number if isinstance(stop, Interrupted) else signal.SIGINT
    return KILLED + number if is_rank_zero() else 0


def _print_resume_command(cfg: DictConfig) -> None:
    from segsr.run_folder import is_rank_zero, newest_checkpoint

    if not (is_rank_zero() and cfg.get("run_dir")):
        return
    folder = Path(cfg.run_dir)
    if newest_checkpoint(folder) is None:
        print(f"segsr: stopped before the first checkpoint of {folder}", file=sys.stderr)
        return
    command = ["segsr", "fit", "-c", f"{folder / 'config.yaml'}"]
    command += [f"run_dir={folder}", "ckpt_path=last"]
    print(f"segsr: stopped, resume with: {shlex.join(command)}", file=sys.stderr)


def _print_table(metrics: Mapping[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("metric", "value")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)


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


if __name__ == "__main__":
    sys.exit(main())
