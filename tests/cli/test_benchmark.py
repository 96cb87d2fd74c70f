from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsr import cli

RECIPE = """
defaults:
  - /evaluate
  - /test_sets: realsr
  - /ablation@methods.exp1: exp1
  - /ablation@methods.exp4: exp4
  - /printed: segsr_table2
  - _self_
name: two
seed: 0
examples: 2
figures: 1
metrics: [psnr, acc]
methods:
  bicubic: {_target_: segsr.evaluation.methods.Bicubic}
  other:
    _target_: segsr.evaluation.methods.Outputs
    label: Other
    folders: {RealSR: "${root}/other"}
  broken: {_target_: segsr.evaluation.methods.SegSR, model: nowhere}
"""


@pytest.fixture
def root(tmp_path):
    """Three pairs and another program's results."""
    draw = np.random.default_rng(0)
    for i in range(3):
        small = Image.fromarray(draw.integers(0, 256, (24, 16, 3)).astype(np.uint8))
        large = small.resize((64, 96), Image.Resampling.BICUBIC)
        for folder, image in (("test_LR", small), ("test_HR", large), ("other", large)):
            (tmp_path / folder).mkdir(exist_ok=True)
            image.save(tmp_path / folder / f"{i}.png")
    (tmp_path / "two.yaml").write_text(RECIPE.replace("- /", "- "))
    return tmp_path


def benchmark(root: Path, *arguments: str) -> int:
    options = ["-c", str(root / "two.yaml"), "-o", str(root / "out"), f"root={root}"]
    return cli.main(["benchmark", *options, *arguments])


def test_methods_by_test_sets(root, capsys):
    assert benchmark(root) == 1  # one method cannot be had
    out, err = capsys.readouterr()
    assert "no method broken: no model 'nowhere'" in err
    table = (root / "out" / "table.md").read_text()
    rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines() if line[:2] == "| "]
    assert rows[2:] == [
        *(f"Exp. ({n}) (as printed)" for n in range(1, 6)),
        "Exp. (1) SRDM",
        "Exp. (4) + DMB",
        "Bicubic",
        "Other",
    ]
    summary = json.loads((root / "out" / "summary.json").read_text())
    found = {row["label"]: row["values"] for row in summary["tables"]["RealSR"]["rows"]}
    assert found["Other"]["psnr"]["mean"] == pytest.approx(80, abs=0.1)  # HQ itself
    assert found["Other"]["acc"]["mean"] == 1.0
    assert "seconds" not in found["Other"]
    assert found["Bicubic"]["psnr"]["mean"] > 50  # what HQ was made with
    assert 0 < found["Exp. (4) + DMB"]["seconds"]["mean"] < 60
    assert found["Exp. (1)"]["acc"]["mean"] == 0.5753
    steps = summary["differences"]["RealSR"]
    assert [(step["method"], step["base"]) for step in steps] == [
        ("Exp. (4) + DMB", "Exp. (1) SRDM"),
        ("Bicubic", "Exp. (4) + DMB"),
        ("Other", "Bicubic"),
    ]
    assert (root / "out" / "report" / "index.html").is_file()
    assert (root / "out" / "figures" / "RealSR" / "0_comparison.pdf").is_file()
    assert (root / "out" / "figures" / "RealSR" / "0_trajectory.png").is_file()
    assert "RealSR" in (root / "out" / "paper_table.tex").read_text()
    assert "differences between rows" in out

    results = root / "out" / "RealSR" / "bicubic" / "restored"
    changed = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    (results / "1.png").unlink()
    benchmark(root)
    again = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    assert set(again) == set(changed)
    assert [path.name for path in again if again[path] != changed[path]] == ["1.png"]


def test_a_photograph_that_fails_spares_the_others(root, capsys):
    (root / "test_LR" / "1.png").write_bytes(b"no image")
    assert benchmark(root, "~methods.broken", "figures=0") == 1
    assert "Bicubic failed on" in capsys.readouterr().err
    notes = json.loads((root / "out" / "summary.json").read_text())["tables"]["RealSR"]["notes"]
    assert any("INCOMPLETE: Bicubic was measured on 2 of 3" in note for note in notes)


def test_an_open_root_is_asked_for(capsys):
    assert cli.main(["benchmark", "-c", "conf/table1.yaml", "-o", "out"]) == 2
    assert "leaves root open: give root=FOLDER" in capsys.readouterr().err
