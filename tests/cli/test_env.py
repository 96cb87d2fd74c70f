"""`segsr env`: what a report needs, and nothing that tells of its user."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import tomllib
from pathlib import Path

import torch

from segsr import cli
from segsr.cli.verbs import env

ROOT = Path(__file__).parents[2]


def printed(capsys) -> dict[str, str]:
    assert cli.main(["env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[:16].strip(): line[17:] for line in lines}


def test_versions_and_the_device_are_named(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    facts = printed(capsys)
    assert torch.__version__.startswith(facts["torch"])
    assert facts["Python"].startswith(platform.python_version())
    assert facts["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert facts["hub"] == "with HF_HUB_OFFLINE set"


def test_every_dependency_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", each)[0].lower() for each in project["dependencies"]}
    assert set(env.PACKAGES) == names


def test_missing_packages_are_said_to_be(monkeypatch):
    monkeypatch.setattr(env, "installed", lambda name: None)
    assert env.packages() == [(name, "missing") for name in env.PACKAGES]


def test_a_gpu_is_described(monkeypatch):
    class Properties:
        name, total_memory, major, minor = "A GPU", 80 * env.GIB, 9, 0

    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda n: Properties())
    facts = dict(env.devices())
    assert facts["device"] == "cuda"
    assert facts["cuda:0"] == "A GPU, 80.0 GiB, compute capability 9.0"


def test_it_tells_nothing_of_its_user(capsys):
    assert cli.main(["env"]) == 0
    text = capsys.readouterr().out
    assert os.sep not in text
    assert not re.search(
        rf"\b({re.escape(getpass.getuser())}|{re.escape(socket.gethostname())})\b", text
    )
