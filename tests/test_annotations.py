"""Shape annotations are checked in every test, which a wrong import would switch off silently."""

from __future__ import annotations

import ast
from pathlib import Path

import jaxtyping
import pytest
import torch

import segsr
from segsr.diffusion.categorical import kl

SOURCES = sorted(Path(segsr.__file__).parent.rglob("*.py"))


def test_a_wrong_shape_is_an_error():
    with pytest.raises(jaxtyping.TypeCheckError):
        kl(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 4))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_shapes_are_made_of_is_imported_for_real(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    if "jaxtyping" not in source.read_text(encoding="utf-8"):
        return
    guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    guarded = [node for node in guarded if ast.unparse(node.test) == "TYPE_CHECKING"]
    names = {
        node.module
        for block in guarded
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
    }
    assert names.isdisjoint({"jaxtyping", "torch"})
