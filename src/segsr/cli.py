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

from segsr.cli_arguments import (
    add_benchmark,
    add_degrade,
    add_evaluate,
    add_fit,
    add_import,
    add_label,
    add_recipe,
    add_upscale,
)
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
    from segsr.model.options import SamplingOptions

    summary = upscale_files(
        inputs=arguments.inputs,
        output=arguments.output,
        model=arguments.model,
        options=SamplingOptions(
            steps=arguments.steps, guidance=arguments.guidance, fidelity=arguments.fidelity
        ),
        seed=arguments.seed,
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


VERBS: Mapping[str, Verb] = {
    "fit": Verb("train a model", add_fit, _fit_or_plan),
    "test": Verb("print a table of a model's metrics", add_recipe, _with_recipe(test)),
    "predict": Verb("run a model over a data set", add_recipe, _with_recipe(predict)),
    "label": Verb("draw the masks of photographs", add_label, label),
    "degrade": Verb("make pairs of a folder of photographs", add_degrade, degrade),
    "upscale": Verb("restore photographs at four times their size", add_upscale, upscale),
    "evaluate": Verb("measure a folder of results", add_evaluate, evaluate),
    "benchmark": Verb("compare methods on test sets", add_benchmark, benchmark),
    "import": Verb("turn a foreign checkpoint into a model folder", add_import, import_),
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


if __name__ == "__main__":
    sys.exit(main())
