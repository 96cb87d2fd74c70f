from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segsr.cli.tables import print_plan
from segsr.config import load_recipe
from segsr.planning.layout import lay_out
from segsr.planning.plan import Plan, _among, _devices, plan_fit

ROOT = Path(__file__).parents[2]
SMALL = ("data.crop_size=64", "data.batch_size=2")


def recipe(*overrides: str, name: str = "compact_joint"):
    return load_recipe(Path("conf", f"{name}.yaml"), list(overrides))


@pytest.fixture(scope="module")
def small():
    return plan_fit(recipe(*SMALL))


def test_weights_gradients_and_optimizer_are_those_of_the_networks(small) -> None:
    model = lay_out(recipe())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert small.gradients == small.average == 4 * trained
    assert small.optimizer == pytest.approx(2 * 4 * trained, rel=1e-3)  # AdamW: two moments
    everything = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    assert small.parameters == pytest.approx(everything, rel=1e-3)
    assert small.total == sum(vars(small).values())


@pytest.mark.slow
def test_without_the_average_there_is_none() -> None:
    plan = plan_fit(recipe(*SMALL, "trainer.callbacks.ema=null", name="compact_srdm"))
    assert plan.average == 0
    assert plan.gradients > 0


@pytest.mark.slow
def test_activations_grow_with_batch_and_precision() -> None:
    small, larger, exact = (
        plan_fit(recipe("data.crop_size=96", f"data.batch_size={size}", *more, name="compact_srdm"))
        for size, more in ((8, ()), (16, ()), (16, ("trainer.precision=32-true",)))
    )
    assert larger.activations == pytest.approx(2 * small.activations, rel=0.2)
    assert exact.activations > 1.3 * larger.activations
    assert exact.parameters == small.parameters


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("crop", "size"), [(128, 8), (256, 8)])
def test_the_plan_is_within_15_percent_of_the_measured_peak(crop, size) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "memory.py"), "compact_joint"]
    printed = subprocess.run(
        [*command, f"data.crop_size={crop}", f"data.batch_size={size}"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"planned / measured = ([\d.]+)", printed)
    assert found is not None
    assert 0.85 < float(found.group(1)) < 1.15


def test_several_devices_exchange_or_share(small) -> None:
    ddp = _among(small, small.gradients, 8, sharded=False)
    assert ddp.buckets == small.gradients
    assert ddp.total == small.total + small.gradients
    sharded = _among(small, small.gradients, 8, sharded=True)
    assert sharded.gradients == small.gradients // 8
    assert sharded.optimizer == small.optimizer // 8
    frozen = small.parameters - small.gradients
    assert sharded.parameters == frozen + small.gradients // 8
    assert sharded.activations == small.activations
    assert _among(small, small.gradients, 1, sharded=True) == small


@pytest.mark.parametrize(
    ("overrides", "devices"),
    [
        (["trainer.devices=4"], 4),
        (["trainer.devices=[0,2]"], 2),
        (["trainer.devices=auto"], 1),
        (["trainer.devices=8", "trainer.num_nodes=2"], 16),
    ],
)
def test_devices_are_those_the_recipe_states(overrides, devices) -> None:
    assert _devices(recipe(*overrides).trainer) == devices


def test_the_table_is_in_gib(capsys) -> None:
    plan = Plan(5 * 2**30, 0, 2**30, 2 * 2**30, 0, 2**29)
    print_plan(plan)
    printed = capsys.readouterr().out
    assert "5.00" in printed
    assert "8.50" in printed
    assert "average" not in printed
