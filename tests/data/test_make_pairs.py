"""The tool that makes pairs: what it writes, what it goes on from, what a teacher adds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from segsr.errors import SegSRError
from segsr.training.teacher import Teacher

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch):
    path = ROOT / "tools" / "make_pairs.py"
    spec = importlib.util.spec_from_file_location("make_pairs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SHARD", 8)
    monkeypatch.setattr(module, "BATCH", 4)
    return module


def make(tool, monkeypatch, out, count, *more, side=64):
    recipe = str(ROOT / "conf" / "compact_srdm.yaml")
    given = ["make_pairs", "-c", recipe, "--out", str(out), "--count", str(count), *more]
    given.append(f"data.crop_size={side}")
    monkeypatch.setattr(sys, "argv", given)
    tool.main()
    return [load_file(file) for file in sorted(out.glob("*.safetensors"))]


def test_what_was_stopped_goes_on_with_the_same_pairs(tool, monkeypatch, tmp_path) -> None:
    whole = make(tool, monkeypatch, tmp_path / "whole", 16)
    assert [set(each) for each in whole] == [{"hq", "lq", "mask"}] * 2
    assert whole[0]["hq"].shape == (8, 3, 64, 64)
    assert whole[0]["lq"].shape == (8, 3, 16, 16)
    assert whole[0]["hq"].dtype == torch.uint8
    make(tool, monkeypatch, tmp_path / "parts", 8)
    first = (tmp_path / "parts" / "0000.safetensors").stat().st_mtime_ns
    parts = make(tool, monkeypatch, tmp_path / "parts", 16)
    assert (tmp_path / "parts" / "0000.safetensors").stat().st_mtime_ns == first
    for ours, theirs in zip(parts, whole, strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not torch.equal(whole[0]["hq"], whole[1]["hq"])


def test_a_teachers_results_are_added_to_what_is_there(tool, monkeypatch, tmp_path) -> None:
    class Nearest(nn.Module):
        calls = 0

        def forward(self, lq):
            Nearest.calls += 1
            return lq.repeat_interleave(4, 2).repeat_interleave(4, 3)

    monkeypatch.setattr(tool, "load_teacher", lambda path: path and Teacher(Nearest()))
    (plain,) = make(tool, monkeypatch, tmp_path, 8)
    (taught,) = make(tool, monkeypatch, tmp_path, 8, "--teacher", "file")
    assert torch.equal(plain["hq"], taught["hq"])
    assert (taught["taught"][..., ::4, ::4].int() - taught["lq"].int()).abs().max() <= 1  # bfloat16
    calls = Nearest.calls
    make(tool, monkeypatch, tmp_path, 8, "--teacher", "file")
    assert Nearest.calls == calls
    assert not list(tmp_path.glob("*.part"))


def test_pairs_of_other_data_do_not_pass_for_these(tool, monkeypatch, tmp_path) -> None:
    make(tool, monkeypatch, tmp_path, 8)
    before = (tmp_path / "0000.safetensors").read_bytes()
    with pytest.raises(SegSRError, match="made of other data or another degradation"):
        make(tool, monkeypatch, tmp_path, 16, side=32)
    assert [file.name for file in tmp_path.iterdir()] == ["0000.safetensors"]
    assert (tmp_path / "0000.safetensors").read_bytes() == before
