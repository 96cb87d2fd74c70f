from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

import segsr
from segsr import cli
from segsr.errors import SegSRError
from segsr.inference.outcomes import Outcome, Summary
from segsr.inference.settings import Settings
from segsr.inference.size import Size
from segsr.model.options import SamplingOptions

HEAVY = {"torch", "lightning", "hydra", "omegaconf", "diffusers", "transformers", "numpy", "PIL"}
HEAVY |= {"rich", "yaml"}
VERBS = {
    "app": "Serve a page that restores photographs, and an HTTP interface.",
    "benchmark": "Compare methods on test sets.",
    "degrade": "Make pairs of a folder of photographs.",
    "env": "Print versions, devices and packages, for a report or a paper.",
    "evaluate": "Measure a folder of results.",
    "export": "Write a model as one ONNX graph.",
    "fit": "Train a model.",
    "import": "Turn a foreign checkpoint into a model folder.",
    "label": "Draw the masks of photographs.",
    "models": "List the models in the package and those of the hub that are cached.",
    "predict": "Run a model over a data set.",
    "push": "Put a model folder on the hub, with a card of what it is and what was measured.",
    "test": "Print a table of a model's metrics.",
    "upscale": "Restore photographs at four times their size, or any up to sixteen.",
}
MEASURE = """
import json, os, sys
from segsr.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
times = os.times()
modules = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([times.user + times.system, sorted(modules)]))
"""


def run_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_is_instant(arguments):
    *text, measured = run_python(MEASURE, *arguments).splitlines()
    seconds, modules = json.loads(measured)
    assert text[0].startswith(f"usage: {' '.join(['segsr', *arguments[:-1]])}")
    assert HEAVY.isdisjoint(modules)
    assert seconds < 0.3  # 0.1 s on a machine that is idle; see benchmarks/starting.py


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    listed = [line.split() for line in printed.splitlines() if line.startswith("  ")]
    summaries = {words[0]: " ".join(words[1:]) for words in listed}
    assert {verb: summaries[verb] for verb in VERBS} == VERBS


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"segsr {segsr.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["fitt"], ["fit", "--nonsense"]])
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: segsr" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "meant"), [("fitt", "fit"), ("upscal", "upscale")])
def test_a_misspelt_verb_names_its_nearest(typed, meant, capsys):
    with pytest.raises(SystemExit):
        cli.main([typed])
    assert f"no verb {typed}, did you mean {meant}?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["xyz"])
    assert "no verb xyz: choose from app, benchmark, degrade" in capsys.readouterr().err


def test_a_users_error_is_one_line_and_status_2(toy_conf, capsys):
    assert cli.main(["fit", "trainer.max_stepz=3"]) == 2
    printed = capsys.readouterr()
    expected = "segsr: unknown key trainer.max_stepz, did you mean trainer.max_steps?\n"
    assert (printed.out, printed.err) == ("", expected)


def test_options_and_overrides_come_in_any_order(toy_conf, write, capsys):
    mine = write("mine.yaml", "defaults: [compact, _self_]\nname: mine\n")
    assert cli.main(["fit", "seed=1", "-c", str(mine), "width=2", "--print-config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["name"], printed["seed"], printed["width"]) == ("mine", 1, 2)


def test_a_printed_recipe_prints_itself(toy_conf, write, capsys):
    cli.main(["fit", "--print-config", "trainer.max_steps=4"])
    printed = capsys.readouterr().out
    cli.main(["fit", "--print-config", "-c", str(write("printed.yaml", printed))])
    assert capsys.readouterr().out == printed


def test_printing_a_recipe_runs_nothing(toy_conf, alone):
    cli.main(["test", "--print-config"])
    assert list(alone.iterdir()) == []


def test_ctrl_c_is_status_130_with_the_command_to_go_on(monkeypatch, toy_conf, alone, capsys):
    seen = []

    def stopped_after_a_checkpoint(cfg):
        import torch

        cfg.run_dir = "runs/my toy"
        Path(cfg.run_dir).mkdir(parents=True)
        torch.save({}, Path(cfg.run_dir, "epoch=0.ckpt"))
        seen.append(cfg)
        raise KeyboardInterrupt

    monkeypatch.setattr("segsr.cli.run.fit", stopped_after_a_checkpoint)
    assert cli.main(["fit"]) == 130
    expected = "segsr fit -c 'runs/my toy/config.yaml' 'run_dir=runs/my toy' ckpt_path=last"
    assert expected in capsys.readouterr().err


def test_ctrl_c_before_a_checkpoint_promises_nothing(monkeypatch, toy_conf, alone, capsys):
    def stopped(cfg):
        raise KeyboardInterrupt

    monkeypatch.setattr("segsr.cli.run.fit", stopped)
    assert cli.main(["fit", "run_dir=run"]) == 130
    assert "resume" not in capsys.readouterr().err


def test_test_prints_a_table(monkeypatch, toy_conf, alone, capsys):
    monkeypatch.setattr("segsr.cli.run.test", lambda cfg: {"test/psnr": 21.5, "test/miou": 0.25})
    assert cli.main(["test"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["│", "test/psnr", "│", "21.5000", "│"] in rows
    assert ["│", "test/miou", "│", "0.2500", "│"] in rows


@pytest.fixture
def upscaled(monkeypatch):
    """Stands in for the restoration: keeps its arguments and reports `errors`."""
    calls = types.SimpleNamespace(arguments=None, errors={})

    def upscale_files(inputs, output, settings, *, on_photo, progress, **arguments):
        calls.arguments = {"inputs": inputs, "output": output, "settings": settings, **arguments}
        outcomes = [Outcome(photo, "failed", reason=why) for photo, why in calls.errors.items()]
        return Summary(outcomes)

    stand_in = types.ModuleType("segsr.inference.upscale")
    stand_in.upscale_files = upscale_files
    monkeypatch.setitem(sys.modules, "segsr.inference.upscale", stand_in)
    return calls


def test_upscale_hands_its_arguments_over(upscaled):
    assert cli.main(["upscale", "a.jpg", "-o", "out", "folder", "--steps", "5", "--mask", "m"]) == 0
    assert upscaled.arguments == {
        "inputs": [Path("a.jpg"), Path("folder")],
        "output": Path("out"),
        "settings": Settings(SamplingOptions(steps=5)),
        "model": "compact",
        "mask": Path("m"),
        "masks": True,
        "device": "auto",
        "overwrite": False,
    }


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        (["--scale", "1.5"], Size(scale=1.5)),
        (["--long-side", "4000"], Size(long_side=4000)),
        (["--size", "3000x2000"], Size(size=(3000, 2000))),
    ],
)
def test_upscale_to_any_size(typed, size, upscaled):
    assert cli.main(["upscale", "a.jpg", "-o", "out", *typed, "--strength", "0.5"]) == 0
    expected = Settings(SamplingOptions(strength=0.5), size=size)
    assert upscaled.arguments["settings"] == expected


def test_upscale_is_status_1_if_a_file_failed(upscaled, capsys):
    upscaled.errors[Path("a.jpg")] = "no photograph"
    assert cli.main(["upscale", "a.jpg", "-o", "out"]) == 1
    printed = capsys.readouterr().err
    assert printed == "0 restored, 1 failed; results in out\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg"], "add -o OUT"),
        (["-o", "out"], "a photograph is missing"),
        (["a.jpg", "b.jpg", "-o", "-"], "standard output takes one result"),
        (["a.jpg", "-o", "-", "--json"], "both write to standard output"),
        (["-", "-", "-o", "out"], "name - once"),
        (["a.jpg", "b.jpg", "--again", "c.png"], "repeats one result"),
        (["--again", "c.png", "--steps", "2"], "takes every setting from the record"),
        (["--again", "c.png", "--no-masks"], "takes every setting from the record"),
    ],
)
def test_upscale_s_arguments_must_go_together(arguments, message, upscaled, capsys):
    assert cli.main(["upscale", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert upscaled.arguments is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--quality", "101"], "must be from 1 to 100, got 101"),
        (["--scale", "2", "--long-side", "90"], "not allowed with argument"),
        (["--size", "90"], "must be like 3000x2000, got 90"),
        (["--strength", "2"], "must be from 0 to 1"),
        (["--steps", "0"], "must be at least 1, got 0"),
        (["--fidelity", "1.5"], "must be from 0 to 1"),
        (["--temperature", "-1"], "must be 0 or more, got -1"),
        (["--tile", "0"], "must be at least 1, got 0"),
    ],
)
def test_upscale_refuses_what_it_cannot_do(option, message, upscaled, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["upscale", "a.jpg", "-o", "out", *option])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert upscaled.arguments is None


def test_upscale_shows_a_users_error_in_one_line(monkeypatch, upscaled, capsys):
    def refuse(*_, **__):
        raise SegSRError("no model nowhere")

    monkeypatch.setattr(sys.modules["segsr.inference.upscale"], "upscale_files", refuse)
    assert cli.main(["upscale", "a.jpg", "-o", "out", "--model", "nowhere"]) == 2
    assert capsys.readouterr().err == "segsr: no model nowhere\n"


def test_upscale_that_is_stopped_says_what_goes_on(monkeypatch, upscaled, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["segsr.inference.upscale"], "upscale_files", stop)
    assert cli.main(["upscale", "a.jpg", "-o", "out"]) == 130
    assert capsys.readouterr().err == (
        "stopped: what is restored stays, the same command goes on\n"
    )
    assert cli.main(["upscale", "a.jpg", "-o", "out", "-q"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_processes_that_lightning_starts_share_one_folder(toy_conf, alone):
    command = (
        "import segsr.config.packaged as c, pathlib, sys; from segsr.cli import main;"
        f"c.packaged_conf = lambda: pathlib.Path({str(toy_conf)!r}); sys.exit(main())"
    )
    Path("ddp.py").write_text(command)
    subprocess.run(
        [sys.executable, "ddp.py", "fit", "trainer.strategy=ddp", "trainer.devices=2"],
        check=True,
        timeout=300,
    )
    (folder,) = Path("runs/toy").iterdir()
    assert (folder / "config.yaml").is_file()
    assert len(list(folder.rglob("*.ckpt"))) == 1


@pytest.mark.slow
def test_a_plan_needs_neither_weights_nor_data() -> None:
    command = [sys.executable, "-m", "segsr.cli", "fit", "--plan"]
    done = subprocess.run(
        [*command, "-c", "conf/compact_srdm.yaml", "data.crop_size=64", "data.batch_size=1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for row in ("parameters", "gradients", "optimizer", "activations", "sum"):
        assert row in done.stdout
    refused = subprocess.run([*command, "-c", "conf/degrade.yaml"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "the recipe lacks model, data, trainer" in refused.stderr
