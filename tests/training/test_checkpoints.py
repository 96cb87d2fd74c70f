"""Ctrl-C and SIGTERM save, amid nothing; and nothing is saved amid an accumulation."""

import signal
import sys
from pathlib import Path

import pytest
from saved import assert_equal_to_the_bit, checkpoint

from segsr.cli import main, run
from segsr.config import load_recipe
from segsr.errors import Interrupted

TESTS = Path(__file__).parents[1]
RECIPE = TESTS / "support" / "tiny.yaml"
SEND = "+trainer.callbacks.send={{_target_: signal_parts.Send, name: {}, batch: {}, times: {}}}"
SAVE_AT_5 = "trainer.callbacks.checkpoint.every_n_train_steps=5"


@pytest.fixture(autouse=True)
def _settled(alone, monkeypatch):
    """No launcher's variables, and the handlers in place that were there."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(TESTS / "training")])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        assert signal.getsignal(number) == handler
        signal.signal(number, handler)


def fit(folder: str, *overrides: str) -> None:
    run.fit(load_recipe(RECIPE, [f"run_dir={folder}", SAVE_AT_5, *overrides]))


@pytest.mark.parametrize(
    ("name", "accumulate", "batch", "step"),
    [("SIGINT", 1, 1, 2), ("SIGTERM", 1, 1, 2), ("SIGTERM", 2, 2, 2)],
)
def test_a_signal_amid_a_step_saves_after_it(name, accumulate, batch, step) -> None:
    accumulate_n = f"trainer.accumulate_grad_batches={accumulate}"
    end = [accumulate_n, "trainer.max_steps=5"]
    fit("whole", *end)
    with pytest.raises(Interrupted) as stop:
        fit("broken", *end, SEND.format(name, batch, 1))
    assert stop.value.number == signal.Signals[name]
    assert checkpoint(Path("broken"))["global_step"] == step
    fit("broken", *end, "ckpt_path=last")
    assert_equal_to_the_bit(Path("broken"), Path("whole"))
    assert len(list(Path("broken/checkpoints").iterdir())) == 3  # at the signal, at 5, and the link


def test_the_command_line_tells_the_signal_and_how_to_go_on(capsys) -> None:
    arguments = ["fit", "-c", str(RECIPE), "run_dir=run", SAVE_AT_5]
    assert main([*arguments, SEND.format("SIGTERM", 0, 1)]) == 128 + signal.SIGTERM
    command = "segsr fit -c run/config.yaml run_dir=run ckpt_path=last"
    assert f"resume with: {command}" in capsys.readouterr().err
    assert main([*arguments, SEND.format("SIGINT", 0, 1)]) == 128 + signal.SIGINT


def test_a_second_ctrl_c_stops_at_once(monkeypatch) -> None:
    with pytest.raises(Interrupted):  # the same one twice
        fit("patient", SEND.format("SIGINT", 0, 2))
    monkeypatch.setattr("segsr.training.checkpoints.PATIENCE", 0.0)
    with pytest.raises(KeyboardInterrupt) as stop:
        fit("run", SEND.format("SIGINT", 0, 2))
    assert not isinstance(stop.value, Interrupted)
    assert not list(Path("run").rglob("*.ckpt"))


def test_a_resumed_run_does_not_save_again_before_its_next_step() -> None:
    accumulate = ["trainer.accumulate_grad_batches=2"]
    save = "trainer.callbacks.checkpoint.every_n_train_steps=1"
    fit("run", *accumulate, save, "trainer.max_steps=1")
    (first,) = Path("run/checkpoints").glob("*step=1.ckpt")
    written = first.stat().st_mtime_ns
    with pytest.raises(Interrupted):  # at the first batch of two
        fit("run", *accumulate, save, "ckpt_path=last", SEND.format("SIGINT", 2, 1))
    assert first.stat().st_mtime_ns == written
    after = checkpoint(Path("run"))
    assert after["global_step"] == 2
    progress = after["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    assert progress["processed"] == 3  # an epoch of three batches: two steps, the second of one
