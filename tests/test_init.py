from __future__ import annotations

import subprocess
import sys

import pytest

import segsr


def test_importing_segsr_imports_nothing_heavy():
    code = "import sys, segsr; print(*{'torch', 'lightning', 'diffusers'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


@pytest.mark.parametrize("name", ["SRDM", "SegDM", "JointSegSR", "SegSRPipeline"])
def test_the_main_classes_are_names_of_the_package(name):
    assert getattr(segsr, name).__name__ == name
    assert name in dir(segsr)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="'segsr' has no attribute 'nothing'"):
        _ = segsr.nothing


def test_a_recipe_is_loaded_and_built_by_names_of_the_package():
    cfg = segsr.load_recipe("degrade", ["pairs.crop=64"])
    assert segsr.build(cfg.pairs).crop == 64
