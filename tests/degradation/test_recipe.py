from __future__ import annotations

import subprocess
import sys

import pytest

from segsr import build, degradation, load_recipe
from segsr.degradation import Pipeline
from segsr.errors import SegSRError


def test_a_recipe_is_ready_and_takes_overrides_of_its_own():
    made = degradation.recipe(
        "real_esrgan", ["stages.noise1.gaussian_sigma=[60,60]", "rounded=false"]
    )
    assert isinstance(made, Pipeline)
    long = ["degradation=real_esrgan", "degradation.stages.noise1.gaussian_sigma=[60,60]"]
    same = build(load_recipe("degrade", [*long, "degradation.rounded=false"]).degradation)
    assert made == same
    assert not made.rounded


def test_an_unknown_recipe_or_part_is_told():
    with pytest.raises(SegSRError, match="did you mean real_esrgan"):
        degradation.recipe("real_esrgn")
    with pytest.raises(SegSRError, match=r"did you mean degradation\.stages\.noise1\."):
        degradation.recipe("real_esrgan", ["stages.noise1.gausian_sigma=[1,1]"])


def test_the_package_alone_knows_no_hydra():
    code = "import sys, segsr.degradation; print({'hydra', 'omegaconf'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
