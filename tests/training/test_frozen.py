"""A run is not gone on with upon other frozen weights."""

import sys
from pathlib import Path

import pytest
import tiny
import torch
from saved import checkpoint

from segsr.cli import run
from segsr.config import load_recipe
from segsr.errors import SegSRError
from segsr.training.frozen import frozen_digests

TESTS = Path(__file__).parents[1]
RECIPE = TESTS / "support" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _alone(alone, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(TESTS / "training")])


def fit(*overrides: str) -> None:
    run.fit(load_recipe(RECIPE, ["run_dir=run", "trainer.max_steps=2", *overrides]))


def test_a_frozen_weight_that_changed_is_refused_with_the_remedy(monkeypatch) -> None:
    fit()
    written = checkpoint(Path("run"))["frozen_weights_sha256"]
    prompt = "srdm.branch.denoiser"  # in a network that is trained
    assert written.keys() == {"srdm.branch.autoencoder", prompt, "segdm.branch.prior"}
    made = tiny.prior

    def another():
        prior = made()
        with torch.no_grad():
            next(prior.parameters()).flatten()[0] += 1e-3
        return prior

    with monkeypatch.context() as changed:
        changed.setattr(tiny, "prior", another)
        with pytest.raises(SegSRError, match=r"of segdm\.branch\.prior are not those .* put the"):
            fit("ckpt_path=last", "trainer.max_steps=3")
    fit("ckpt_path=last", "trainer.max_steps=3")
    assert checkpoint(Path("run"))["global_step"] == 3


def test_how_frozen_weights_are_kept_is_no_change() -> None:
    model = tiny.joint()
    before = frozen_digests(model)
    model.to(memory_format=torch.channels_last)
    assert frozen_digests(model) == before
    fit("+trainer.callbacks.networks.low_precision_frozen=true", "trainer.precision=bf16-mixed")
    fit("ckpt_path=last", "trainer.max_steps=3")
