from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
import yaml

from segsr.cli import run
from segsr.config import load_recipe
from segsr.errors import SegSRError

PARTS = """
from lightning import Callback
from lightning.pytorch.demos.boring_classes import BoringModel

class Scored(BoringModel):
    def test_step(self, batch, batch_index):
        self.log("test/psnr", 20.0 + batch_index)
        self.log("test/weight", self.layer.weight.sum())

class Broken(BoringModel):
    def __init__(self):
        raise ValueError("broken")

class PressCtrlC(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 2:
            raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def _settled(toy_conf, alone, write, monkeypatch):
    """A toy recipe, an empty folder, and the interrupt handler back in place after the test."""
    monkeypatch.syspath_prepend(write("modules/run_parts.py", PARTS).parent)
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def only_run() -> Path:
    (folder,) = Path("runs/toy").iterdir()
    return folder


def test_fit_writes_all_it_writes_to_one_new_folder():
    run.fit(load_recipe("compact"))
    folder = only_run()
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "config.yaml", "csv"]


def test_the_saved_recipe_repeats_the_run_in_a_folder_of_its_own():
    run.fit(load_recipe("compact", ["seed=3", "trainer.max_steps=1"]))
    first = only_run()
    saved = yaml.safe_load((first / "config.yaml").read_text())
    assert (saved["seed"], saved["trainer"]["max_steps"]) == (3, 1)
    cfg = load_recipe(first / "config.yaml", [])
    run.fit(cfg)
    assert cfg.run_dir != str(first)
    weights = [
        torch.load(next(Path(folder).rglob("*.ckpt")), weights_only=True)["state_dict"]
        for folder in (first, cfg.run_dir)
    ]
    assert torch.equal(weights[0]["layer.weight"], weights[1]["layer.weight"])


def test_fit_goes_on_from_the_newest_checkpoint():
    run.fit(load_recipe("compact", ["run_dir=run"]))
    run.fit(load_recipe("compact", ["run_dir=run", "ckpt_path=last", "trainer.max_steps=5"]))
    newest = max(Path("run").rglob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    state = torch.load(newest, weights_only=True)
    assert state["global_step"] == 5
    assert state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["completed"] == 5


def test_a_named_callback_or_logger_can_be_dropped():
    drop = ["trainer.callbacks.checkpoint=null", "trainer.logger.csv=null"]
    run.fit(load_recipe("compact", [*drop, "trainer.enable_checkpointing=false"]))
    assert [path.name for path in only_run().rglob("*")] == ["config.yaml"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ckpt_path=nowhere.ckpt"], "no checkpoint nowhere.ckpt"),
        (["ckpt_path=last"], "add run_dir=FOLDER"),
        (["ckpt_path=last", "run_dir=new"], "no complete checkpoint in new"),
        (["data=???"], "give data=..."),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_written(overrides, message):
    with pytest.raises(SegSRError, match=message):
        run.fit(load_recipe("compact", overrides))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("chosen", [[], ["run_dir=mine/run"]])
def test_a_run_that_cannot_start_leaves_no_folder(chosen):
    with pytest.raises(Exception, match="broken"):
        run.fit(load_recipe("compact", ["model._target_=run_parts.Broken", *chosen]))
    assert not list(Path().rglob("*.yaml"))
    assert not Path("mine/run").exists()


def test_a_run_that_cannot_start_leaves_a_folder_that_was_there():
    Path("mine").mkdir()
    with pytest.raises(Exception, match="broken"):
        run.fit(load_recipe("compact", ["model._target_=run_parts.Broken", "run_dir=mine"]))
    assert Path("mine/config.yaml").exists()


def test_ctrl_c_comes_out_as_keyboard_interrupt():
    stop = "+trainer.callbacks.stop._target_=run_parts.PressCtrlC"
    with pytest.raises(KeyboardInterrupt):
        run.fit(load_recipe("compact", [stop, "trainer.max_steps=9"]))


def test_test_returns_the_metrics_of_the_checkpoints_weights():
    scored = "model._target_=run_parts.Scored"
    run.fit(load_recipe("compact", [scored, "run_dir=run"]))
    (checkpoint,) = Path("run").rglob("*.ckpt")
    weight = torch.load(checkpoint, weights_only=True)["state_dict"]["layer.weight"].sum()
    metrics = run.test(load_recipe("compact", [scored, f"ckpt_path='{checkpoint}'"]))
    assert metrics == {"test/psnr": 20.0, "test/weight": pytest.approx(weight.item())}


def test_predict_runs_over_the_prediction_set():
    run.predict(load_recipe("compact", ["trainer.limit_predict_batches=1"]))
    assert (only_run() / "config.yaml").is_file()
