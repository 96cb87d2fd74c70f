from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from segsr import degradation
from segsr.cli import main
from segsr.data import degrade_folder
from segsr.files.pixels import read_image

SLOW_WITH_TWO = ["1", pytest.param("2", marks=pytest.mark.slow)]
COMMAND = [sys.executable, "-m", "segsr.cli", "degrade"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photographs cut out of a sample."""
    folder = tmp_path_factory.mktemp("photos")
    source = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    pixels = torch.nn.functional.interpolate(source[None], (300, 320), mode="bicubic")[0]
    image = (pixels.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
    for i in range(12):
        Image.fromarray(image[10 * i : 10 * i + 120, : 100 + 7 * i]).save(folder / f"p{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos, tmp_path_factory):
    """The folder that one process makes in one go."""
    output = tmp_path_factory.mktemp("undisturbed") / "pairs"
    assert main(["degrade", str(photos), "-o", str(output)]) == 0
    return output


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_layout_and_the_manifest(photos, undisturbed):
    names = sorted(path.name for path in photos.iterdir())
    for folder in ("hq", "lq", "lq_bicubic"):
        assert sorted(path.name for path in (undisturbed / folder).iterdir()) == names
    assert sorted(path.name for path in undisturbed.iterdir()) == [
        "config.yaml",
        "hq",
        "lq",
        "lq_bicubic",
        "manifest.jsonl",
    ]
    records = [json.loads(line) for line in (undisturbed / "manifest.jsonl").open()]
    assert [record["photo"] for record in records] == names
    recipe = degradation.recipe()
    for record in records:
        for folder in ("hq", "lq", "lq_bicubic"):
            path = undisturbed / record[folder]["file"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == record[folder]["sha256"]
            assert list(Image.open(path).size) == record[folder]["size"]
        assert np.array(record["hq"]["size"]).tolist() == [4 * n for n in record["lq"]["size"]]
        assert record["seed"] == 0
        assert set(record["versions"]) == {"segsr", "torch", "pillow"}
    hq = read_image(photos / records[0]["photo"])[None] / 255
    _, lq = recipe.apply(hq[..., : hq.shape[-1] // 4 * 4], [records[0]["params"]])
    assert torch.equal((lq[0] * 255).round().byte(), read_image(undisturbed / "lq" / names[0]))


@pytest.mark.parametrize("workers", SLOW_WITH_TWO)
def test_a_second_folder_has_the_same_bytes(photos, undisturbed, tmp_path, workers):
    assert main(["degrade", str(photos), "-o", str(tmp_path / "again"), "--workers", workers]) == 0
    assert contents(tmp_path / "again") == contents(undisturbed)


@pytest.mark.parametrize("workers", SLOW_WITH_TWO)
def test_killed_and_run_again_it_ends_with_the_same_bytes(photos, undisturbed, tmp_path, workers):
    output = tmp_path / "pairs"
    command = [*COMMAND, str(photos), "-o", str(output), "--workers", workers]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    journal = output / "manifest.part.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") >= 3):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.002)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (output / "manifest.jsonl").exists()
    with journal.open("a") as torn:
        torn.write('{"photo": "p11.png", "hq"')  # a record cut off by the kill
    first = {path: path.stat().st_mtime_ns for path in (output / "hq").glob("p00.png")}

    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "kept (exist already), 0 failed" in again.stderr
    assert " 0 kept" not in again.stderr
    assert contents(output) == contents(undisturbed)
    assert all(path.stat().st_mtime_ns == then for path, then in first.items())


def test_a_file_that_was_lost_or_changed_is_made_again(photos, undisturbed, tmp_path, capsys):
    output = tmp_path / "pairs"
    assert main(["degrade", str(photos), "-o", str(output)]) == 0
    (output / "lq" / "p03.png").unlink()
    Image.new("RGB", (8, 8)).save(output / "hq" / "p05.png")
    capsys.readouterr()
    assert main(["degrade", str(photos), "-o", str(output)]) == 0
    assert "2 pairs made, 10 kept" in capsys.readouterr().err
    assert contents(output) == contents(undisturbed)


@pytest.mark.parametrize("workers", SLOW_WITH_TWO)
def test_bad_files_are_reported_and_the_rest_goes_on(photos, tmp_path, capsys, workers):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("p00.png", "p01.png"):
        (folder / name).write_bytes((photos / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"not a photograph")
    (folder / "p00.webp").write_bytes((photos / "p01.png").read_bytes())
    Image.new("RGB", (3, 50)).save(folder / "thin.png")
    output = tmp_path / "pairs"
    assert main(["degrade", str(folder), "-o", str(output), "--workers", workers]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert "2 pairs made, 0 kept (exist already), 3 failed" in printed
    assert "broken.jpg is not a readable image" in printed
    assert "thin.png is 3x50, each side must have at least 4 pixels" in printed
    assert "its pair would have the name of that of p00.png" in printed
    assert sorted(path.name for path in (output / "lq").iterdir()) == ["p00.png", "p01.png"]


def test_a_folder_of_another_recipe_is_refused(photos, undisturbed, tmp_path, capsys):
    before = contents(undisturbed)
    assert main(["degrade", str(photos), "-o", str(undisturbed), "seed=1"]) == 2
    assert "holds pairs of another recipe or seed" in capsys.readouterr().err
    assert contents(undisturbed) == before
    assert main(["degrade", str(photos), "-o", str(photos)]) == 2
    assert "is not empty and no folder of pairs" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_run_in_a_sentence(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(degrade_folder, "_make_pair", tiny.die)
    assert main(["degrade", str(photos), "-o", str(tmp_path / "pairs"), "--workers", "2"]) == 2
    assert "a worker process died" in capsys.readouterr().err


def test_the_recipe_is_printed_and_its_keys_are_checked(photos, tmp_path, capsys):
    assert main(["degrade", str(photos), "-o", str(tmp_path / "x"), "--print-config"]) == 0
    assert "short_side" not in capsys.readouterr().out
    assert not (tmp_path / "x").exists()
    arguments = ["degrade", str(photos), "-o", str(tmp_path / "x"), "pairs.shortside=512"]
    assert main(arguments) == 2
    assert "did you mean pairs.short_side" in capsys.readouterr().err
