"""Verbs are the modules of `segsr.cli.verbs`, found and described without being imported."""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from segsr.cli import verbs


def verb_names() -> list[str]:
    """The names of all verbs; one that Python keeps for itself has an underscore as a module."""
    return sorted(each.name.rstrip("_") for each in pkgutil.iter_modules(verbs.__path__))


def help_line(verb: str) -> str:
    """The first line of the docstring of the verb's module."""
    spec = find_spec(_module(verb))
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def import_verb(verb: str) -> ModuleType:
    """The module of a verb; it has `add_arguments(parser)` and `run(arguments)`, a status."""
    return import_module(_module(verb))


def _module(verb: str) -> str:
    (found,) = (
        each.name for each in pkgutil.iter_modules(verbs.__path__) if each.name.rstrip("_") == verb
    )
    return f"{verbs.__name__}.{found}"
