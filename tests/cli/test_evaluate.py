from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsr import cli


@pytest.fixture
def folders(tmp_path):
    draw = np.random.default_rng(0)
    for role in ("hq", "sr"):
        (tmp_path / role).mkdir()
    for i in range(3):
        hq = draw.integers(0, 256, (64, 64, 3))
        Image.fromarray(hq.astype(np.uint8)).save(tmp_path / "hq" / f"{i}_HR.png")
        sr = (hq + draw.normal(0, 5, hq.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(sr).save(tmp_path / "sr" / f"{i}_LR4_out.png")
    return tmp_path


def evaluate(root: Path, *arguments: str) -> int:
    folders = ["--sr", str(root / "sr"), "--hq", str(root / "hq"), "-o", str(root / "out")]
    return cli.main(["evaluate", *folders, *arguments])


def test_everything_is_written_and_the_protocol_is_named(folders, capsys):
    assert evaluate(folders, "--name", "A method") == 0
    summary = json.loads((folders / "out" / "summary.json").read_text())
    assert set(summary["figures"]["A method"]) == {"psnr", "ssim"}
    assert summary["figures"]["A method"]["psnr"]["mean"] == pytest.approx(39, abs=1)
    assert len(summary["test_set_sha256"]["A method"]["hq"]) == 64
    assert summary["problems"] == []
    printed = capsys.readouterr().out
    for text in (printed, (folders / "out" / "table.md").read_text()):
        assert "A method" in text
        assert "Protocol segsr_paper" in text
        assert "3 images" in text
    assert r"\begin{tabular}{lrr}" in (folders / "out" / "table.tex").read_text()
    assert "crop_border: 0" in (folders / "out" / "config.yaml").read_text()


def test_acc_judges_with_a_labeler(folders):
    assert evaluate(folders, "metrics=[acc]") == 0
    figures = json.loads((folders / "out" / "summary.json").read_text())["figures"]["sr"]
    assert 0 < figures["acc"]["mean"] <= 1
    assert figures["acc"]["low"] <= figures["acc"]["mean"] <= figures["acc"]["high"]


def test_what_cannot_be_measured_is_told_and_the_rest_goes_on(folders, capsys, tmp_path):
    (folders / "sr" / "1_LR4_out.png").write_bytes(b"no image")
    options = ["metrics=[psnr,lpips,mask]", f"weights.pyiqa={tmp_path / 'none'}"]
    assert evaluate(folders, *options) == 1
    error = capsys.readouterr().err
    assert "no lpips: " in error
    assert "no mask: it needs --masks FOLDER and --labels FOLDER" in error
    assert "1_LR4_out.png is not a readable image" in error
    summary = json.loads((folders / "out" / "summary.json").read_text())
    assert len(summary["images"]["sr"]) == 2
    assert any("INCOMPLETE" in note and "2 of 3 images" in note for note in summary["notes"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-o", "out"], "nothing to evaluate"),
        (["--sr", "sr"], "give -o OUT"),
        (["--sr", "sr", "-o", "out"], "no folder sr"),
        (["--sr", ".", "-o", "out"], "no psnr: it needs --hq FOLDER"),
        (["--sr", ".", "--hq", ".", "-o", "out", "metrics=[psrn]"], "has no metric 'psrn'"),
        (["--sr", ".", "--hq", ".", "-o", "out"], "holds no image"),
    ],
)
def test_what_is_not_usable_is_one_sentence(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if complaint == "no folder sr":
        arguments = [*arguments, "--hq", "."]
    assert cli.main(["evaluate", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_hand_labels_by_their_own_numbers(folders, capsys):
    for role, value in (("masks", 3), ("labels", 1)):
        (folders / role).mkdir()
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(folders / role / "a.png")
    arguments = ["--masks", str(folders / "masks"), "--labels", str(folders / "labels")]
    command = ["evaluate", *arguments, "-o", str(folders / "out"), "metrics=[mask]"]
    assert cli.main([*command, "label_map=labelmefacade"]) == 0  # 1 is building, class 3
    figures = json.loads((folders / "out" / "summary.json").read_text())["figures"]["masks"]
    assert figures["mask_acc"]["mean"] == 1.0
