"""The sentences of docs/troubleshooting.md are those that segsr says, in the page's order."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from lightning import Trainer

from segsr.cli import main
from segsr.errors import SegSRError
from segsr.files.mask import read_mask
from segsr.training.frozen import SameFrozenWeights

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SENTENCES = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
TINY = str(ROOT / "tests" / "support" / "tiny.yaml")


def changed_frozen_weights() -> None:
    began, goes_on, checkpoint = SameFrozenWeights(), SameFrozenWeights(), {}
    model, trainer = tiny.joint(), Trainer(logger=False, accelerator="cpu")
    began.setup(trainer, model, "fit")
    began.on_save_checkpoint(trainer, model, checkpoint)
    with torch.no_grad():
        next(model.segdm.branch.prior.parameters()).add_(1)
    goes_on.setup(trainer, model, "fit")
    goes_on.on_load_checkpoint(trainer, model, checkpoint)


def coloured_mask() -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save("mask.png")
    read_mask(Path("mask.png"))


CASES: list[list[str] | Callable[[], None]] = [
    ["fitt"],
    ["fit", "-c", "nowhere.yaml"],
    ["fit", "data=camvit"],
    ["fit", "trainer.max_stepz=3"],
    ["fit", "lr"],
    ["fit", "-c", "joint"],
    ["fit", "trainer.max_steps=1e4"],
    ["fit", "trainer.devices=0"],
    ["fit", "trainer=gpu"],
    ["upscale", "nowhere.jpg", "-o", "out"],
    ["upscale", "empty", "-o", "out"],
    ["upscale", "photos", "-o", "out"],
    ["fit", "data=folder", "data.root=nowhere"],
    coloured_mask,
    ["fit", "weights=nowhere"],
    ["fit", "weights=cut"],
    ["fit", "run_dir=new", "ckpt_path=last"],
    ["fit", "run_dir=taken/run"],
    ["fit", "-c", TINY, "model.optimizer.lr=1e9", "~model.schedule", "run_dir=run"],
    changed_frozen_weights,
]


@pytest.fixture
def bad_day(alone, monkeypatch):
    """A folder with an empty one, a damaged photograph, a file, and a model cut short; no GPU."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "tests" / "training")])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    (alone / "empty").mkdir()
    (alone / "photos").mkdir()
    (alone / "photos" / "a.jpg").write_bytes(b"no image")
    (alone / "taken").write_text("a file")
    tiny.joint().save_pretrained(alone / "cut")
    for weights in (alone / "cut").rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:99])


def said(case: list[str] | Callable[[], None], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a command says on standard error, or a function raises."""
    if callable(case):
        with pytest.raises(SegSRError) as error:
            case()
        return [str(error.value)]
    try:
        status = main(case)
    except SystemExit as stopped:
        status = stopped.code  # type: ignore[assignment]
    assert status in (1, 2)
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    lines = [re.sub(r"^segsr: |^failed \S+: ", "", line) for line in printed.splitlines()]
    return [line for line in lines if line]


def test_the_page_has_twenty_errors() -> None:
    assert len(SENTENCES) == len(set(SENTENCES)) == len(CASES) == 20


@pytest.mark.parametrize(("sentence", "case"), list(zip(SENTENCES, CASES, strict=False)))
def test_a_sentence_of_the_page_is_what_segsr_says(sentence, case, bad_day, capsys) -> None:
    pattern = ".*".join(map(re.escape, sentence.split("…")))
    lines = said(case, capsys)
    assert any(re.fullmatch(pattern, line) for line in lines), "\n".join(lines)
