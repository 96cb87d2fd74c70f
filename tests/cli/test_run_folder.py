from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from segsr.cli import run_folder as module
from segsr.cli.run_folder import discard, newest_checkpoint, run_folder, save_config
from segsr.errors import SegSRError
from segsr.ranks import is_rank_zero

RANK = """
import os, time
from segsr.cli.run_folder import run_folder
time.sleep(1.2 * int(os.environ["RANK"]))  # so that the ranks' own clocks disagree
print("folder", run_folder("toy"))
"""


@pytest.fixture(autouse=True)
def _alone(alone):
    """Every test here starts without a launcher, in an empty folder."""


@pytest.fixture
def launched(monkeypatch):
    """Poses as a process that a launcher started with these variables."""

    def launched(**variables: object) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return launched


def test_a_new_folder_is_named_by_recipe_and_time():
    folder = run_folder("toy")
    assert re.fullmatch(r"runs/toy/\d{8}-\d{6}", folder.as_posix())
    assert folder.is_dir()


def test_two_runs_of_one_second_do_not_share_a_folder(monkeypatch):
    monkeypatch.setattr(module.time, "strftime", lambda _: "20260101-000000")
    assert run_folder("toy").name == "20260101-000000"
    assert run_folder("toy").name == "20260101-000000-1"
    assert run_folder("toy").name == "20260101-000000-2"


@pytest.mark.parametrize(
    "variables", [{}, {"RANK": 1, "TORCHELASTIC_RUN_ID": "none"}, {"LOCAL_RANK": 1}]
)
def test_a_chosen_folder_holds_for_every_rank(variables, launched):
    launched(**variables)
    assert run_folder("toy", "runs/mine") == Path("runs/mine")


def test_the_ranks_that_lightning_starts_take_rank_zeros_folder(launched):
    folder = run_folder("toy")
    launched(LOCAL_RANK=1, NODE_RANK=0, WORLD_SIZE=2)  # set by Lightning; ours is inherited
    assert run_folder("toy") == folder


def test_the_next_run_of_one_process_has_its_own_folder(launched):
    first = run_folder("toy")
    launched(LOCAL_RANK=0, NODE_RANK=0, WORLD_SIZE=2)  # what Lightning leaves behind in rank zero
    assert run_folder("toy") != first


@pytest.mark.parametrize("variables", [{"LOCAL_RANK": 1}, {"NODE_RANK": 1}, {"RANK": 3}])
def test_ranks_that_cannot_agree_are_told_the_remedy(variables, launched):
    launched(**variables)
    with pytest.raises(SegSRError, match="set run_dir=FOLDER"):
        run_folder("toy")


def test_all_tasks_of_a_slurm_step_share_a_folder(launched):
    folders = set()
    for rank in range(3):
        launched(SLURM_JOB_ID=42, SLURM_STEP_ID=1, SLURM_STEP_NUM_TASKS=3, SLURM_PROCID=rank)
        folders.add(run_folder("toy").as_posix())
        assert is_rank_zero() == (rank == 0)
    assert folders == {"runs/toy/slurm-42-1"}


def test_runs_of_one_interactive_slurm_shell_do_not_share_a_folder(launched):
    launched(SLURM_JOB_ID=42, SLURM_STEP_ID=0, SLURM_STEP_NUM_TASKS=1, SLURM_PROCID=0)
    assert run_folder("toy") != run_folder("toy")


def test_torchrun_ranks_take_the_first_proposal():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    Path("rank.py").write_text(RANK)
    result = subprocess.run(
        [*command, "rank.py"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    folders = re.findall(r"^folder (.*)$", result.stdout, re.MULTILINE)
    assert len(folders) == 2
    assert len(set(folders)) == 1


def test_torchrun_without_a_shared_store_is_told_the_remedy(launched):
    launched(TORCHELASTIC_RUN_ID="none", RANK=0, TORCHELASTIC_USE_AGENT_STORE="False")
    with pytest.raises(SegSRError, match="set run_dir=FOLDER"):
        run_folder("toy")


def test_the_config_is_saved_whole_and_by_rank_zero_only(launched):
    save_config(Path("run"), "seed: 1\n")
    save_config(Path("run"), "seed: 2\n")
    assert [path.name for path in Path("run").iterdir()] == ["config.yaml"]
    assert Path("run/config.yaml").read_text() == "seed: 2\n"
    launched(RANK=1)
    save_config(Path("run"), "seed: 3\n")
    assert Path("run/config.yaml").read_text() == "seed: 2\n"


def test_only_a_folder_with_nothing_but_its_config_is_discarded(launched):
    for name in ("empty", "begun"):
        save_config(Path(name), "seed: 1\n")
    Path("begun/metrics.csv").touch()
    discard(Path("empty"))
    discard(Path("begun"))
    assert [path.name for path in Path().iterdir()] == ["begun"]
    save_config(Path("other"), "seed: 1\n")
    launched(RANK=1)
    discard(Path("other"))
    assert Path("other/config.yaml").exists()


def test_a_place_that_cannot_be_written_is_one_sentence():
    Path("runs").write_text("a file is in the way")
    with pytest.raises(SegSRError, match=r"run folder runs/toy/.*set run_dir=FOLDER"):
        run_folder("toy")
    with pytest.raises(SegSRError, match=r"run folder runs/mine .*set run_dir=FOLDER"):
        save_config(Path("runs/mine"), "seed: 1\n")


def test_the_newest_complete_checkpoint_is_found():
    assert newest_checkpoint(Path("run")) is None
    Path("run/checkpoints").mkdir(parents=True)
    for age, name in enumerate(["new", "old"]):
        path = Path("run/checkpoints", f"{name}.ckpt")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", b"x" * 100)
        os.utime(path, (1000 - age, 1000 - age))
    cut_short = Path("run/checkpoints/last.ckpt")
    cut_short.write_bytes(path.read_bytes()[:-30])
    assert newest_checkpoint(Path("run")) == Path("run/checkpoints/new.ckpt")
