"""Runs that are killed at any moment leave nothing torn, and end with the same bytes."""

import random
import subprocess
import sys
import time

import pytest
import tiny

from segsr.files.photo import read_photo
from segsr.inference.records import read_record

RUN = """
import sys
from pathlib import Path
import torch
from segsr.inference import memory
from segsr.inference.upscale import upscale_files
torch.set_num_threads(1)
memory.UNASKED, memory._STATE = 128, 1  # every photograph in tiles, and in bands as low as can be
print("begun", flush=True)
photos, out, model = sys.argv[1:]
done = upscale_files([Path(photos)], Path(out), model=model, tile=256, device="cpu")
sys.exit(len(done.errors) + len(done.differing))
"""
KILLS = 10


def shown(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


@pytest.mark.slow
def test_a_run_that_is_killed_ten_times_ends_with_the_same_bytes(tmp_path, picture) -> None:
    tiny.joint(seed=1).save_pretrained(tmp_path / "model")
    for name in ("a.png", "trip/b.png", "trip/c.png"):
        picture(tmp_path / "in" / name, 96, 240)

    def start(out):
        command = [
            sys.executable,
            "-c",
            RUN,
            *(str(tmp_path / name) for name in ("in", out, "model")),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begun\n"
        return process

    process, begin = start("whole"), time.monotonic()
    assert process.wait() == 0
    seconds = time.monotonic() - begin
    whole = shown(tmp_path / "whole")
    assert len(whole) == 6
    moments, killed = random.Random(0), 0
    while killed < KILLS:
        process = start("out")
        try:
            assert process.wait(moments.uniform(0, seconds)) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            killed += process.wait() != 0
        found = shown(tmp_path / "out")
        assert found.items() <= whole.items()
        for path in (tmp_path / "out").rglob("*.png.json"):
            result = path.parents[1] / path.stem
            record = read_record(result)
            assert not result.exists() or record.result.is_still(result)
        if found == whole:  # this one was through: from the beginning
            (tmp_path / "out").rename(tmp_path / f"through {killed} {time.monotonic()}")
    process = start("out")
    assert process.wait() == 0
    assert shown(tmp_path / "out") == whole
    assert not [path for path in (tmp_path / "out").rglob(".*") if path.suffix == ".part"]
    size = read_photo(tmp_path / "out/a.png").image.shape
    assert tuple(size) == (3, 960, 384)
