from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from label_command import BY_BATCH, label, masks_of, photos_of_two_sizes, times_of
from launch import SEGSR, environment, stop

from segsr.cli.statuses import KILLED, USAGE_ERROR


@pytest.fixture
def photos(tmp_path, picture):
    return photos_of_two_sizes(tmp_path / "photos", picture)


@pytest.fixture
def recipe(write):
    return write("by_batch.yaml", BY_BATCH)


def ray_label(photos: Path, output: Path, recipe: Path, *arguments: str) -> subprocess.Popen[str]:
    """`segsr label` on Ray, begun, with some masks drawn already."""
    command = [*SEGSR, "label", str(photos), "-o", str(output), "-c", str(recipe), "executor=ray"]
    process = subprocess.Popen(
        [*command, "labeler.seconds=0.5", "shard_size=6", *arguments],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list(output.glob("*.png"))) < 4:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_a_ray_worker_that_is_killed_is_replaced(photos, recipe, tmp_path):
    pytest.importorskip("ray")
    label(photos, tmp_path / "one", recipe, "shard_size=6")
    out, pids = tmp_path / "ray", tmp_path / "pids"
    pids.mkdir()
    process = ray_label(photos, out, recipe, f"labeler.pids={pids}")
    first = min(int(path.name) for path in pids.iterdir())
    before = times_of(out)
    os.kill(first, signal.SIGKILL)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert len(list(pids.iterdir())) == 3
    assert masks_of(out) == masks_of(tmp_path / "one")
    assert {name: times_of(out)[name] for name in before} == before
    assert not list((out / "shards").glob("*.tries"))


@pytest.mark.slow
def test_a_ray_machine_that_is_lost_is_done_without(photos, recipe, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    label(photos, tmp_path / "one", recipe, "shard_size=6")
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
        process = ray_label(
            photos, tmp_path / "ray", recipe, f"executor.address='{cluster.address}'"
        )
        cluster.remove_node(machines[0], allow_graceful=False)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    finally:
        cluster.shutdown()
    assert masks_of(tmp_path / "ray") == masks_of(tmp_path / "one")


@pytest.mark.slow
def test_a_shard_that_kills_its_ray_worker_is_given_up(photos, recipe, tmp_path):
    pytest.importorskip("ray")
    command = [*SEGSR, "label", str(photos), "-o", str(tmp_path / "ray"), "-c", str(recipe)]
    command += ["executor=ray", "labeler.die=12", "batch_size=24"]  # the tall photographs
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "its worker died 5 times over the shard" in done.stderr
    assert len(masks_of(tmp_path / "ray")) < 24


@pytest.mark.slow
def test_a_labeler_that_no_ray_worker_can_make_is_told_in_a_sentence(photos, write, tmp_path):
    pytest.importorskip("ray")
    recipe = write("refusing.yaml", BY_BATCH.replace("ByBatch", "Refusing\n  at_once: true"))
    command = [*SEGSR, "label", str(photos), "-o", str(tmp_path / "masks"), "-c", str(recipe)]
    done = subprocess.run(
        [*command, "executor=ray"], env=environment(), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == USAGE_ERROR
    assert "segsr: no weights: fetch them" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_sigterm_stops_ray(photos, recipe, tmp_path):
    pytest.importorskip("ray")
    out = tmp_path / "masks"
    command = [*SEGSR, "label", str(photos), "-o", str(out), "-c", str(recipe), "executor=ray"]
    status, output = stop([*command, "labeler.seconds=0.5"], signal.SIGTERM, out / "04.png")
    assert status == KILLED + signal.SIGTERM, output
    assert "Traceback" not in output
