"""Shape annotations are checked in every test, which a wrong import would switch off silently."""

from __future__ import annotations

import ast
from pathlib import Path

import jaxtyping
import pytest
import torch

import segsr
from segsr.diffusion.categorical import kl

PACKAGE = Path(segsr.__file__).parent
SOURCES = {
    str(path.relative_to(PACKAGE)): text
    for path in sorted(PACKAGE.rglob("*.py"))
    if "from jaxtyping import" in (text := path.read_text(encoding="utf-8"))
}


def guarded_imports(text: str) -> set[str]:
    """The packages that are imported for a type checker alone."""
    names = set()
    for block in ast.walk(ast.parse(text)):
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING"):
            for node in ast.walk(block):
                if isinstance(node, ast.ImportFrom):
                    names.add(str(node.module).partition(".")[0])
                elif isinstance(node, ast.Import):
                    names.update(alias.name.partition(".")[0] for alias in node.names)
    return names


def test_a_wrong_shape_is_an_error():
    with pytest.raises(jaxtyping.TypeCheckError):
        kl(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 4))


def test_a_guarded_import_is_seen():
    text = "if typing.TYPE_CHECKING:\n    import numpy as np\n    from torch.nn import Module\n"
    assert guarded_imports(f"import lightning\n{text}") == {"numpy", "torch"}
    assert len(SOURCES) > 40


@pytest.mark.parametrize("source", SOURCES)
def test_what_shapes_are_made_of_is_imported_for_real(source):
    assert guarded_imports(SOURCES[source]).isdisjoint({"jaxtyping", "torch"})
