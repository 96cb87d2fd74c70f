"""How to fill what recipes leave open (`???`), as the comment above it in its YAML file says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

OPEN = "???"
"""What a recipe has for a value that it cannot know."""
_GLOBAL = "# @package _global_"


def help_texts(
    keys: Sequence[str], recipe: Path, packaged: Path, choices: Mapping[str, Any]
) -> dict[str, str]:
    """What to write for each of `keys`, where a file says it.

    The comment directly above an open value is taken as it is (`FOLDER of your photographs`);
    without one the comment that heads the file is given in brackets.

    Args:
        keys: Open values of a composed recipe, dotted.
        recipe: Its file.
        packaged: Where to look for what is not beside the file.
        choices: The option that it took of each group.
    """
    found: dict[str, str] = {}
    for file, package in _files(recipe, packaged, choices):
        lines = file.read_text(encoding="utf-8").splitlines()
        for key, line in _open_lines(yaml.compose("\n".join(lines))):
            whole = f"{package}.{key}" if package else key
            text = _help(lines, line)
            if whole in keys and text:
                found.setdefault(whole, text)
    return found


def _files(recipe: Path, packaged: Path, choices: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The files that a recipe is composed of, and where in it the content of each goes."""
    roots = (recipe.parent, packaged)
    waiting = [recipe]
    while waiting:
        file = waiting.pop(0)
        yield file, ""
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        extended = [each for each in content.get("defaults", []) if isinstance(each, str)]
        waiting += [
            path
            for each in extended
            if (path := _find(f"{each.strip('/')}.yaml", roots)) is not None
        ]
    for choice, option in choices.items():
        group, _, package = choice.partition("@")
        if (path := _find(f"{group}/{option}.yaml", roots)) is not None:
            is_global = path.read_text(encoding="utf-8").startswith(_GLOBAL)
            yield path, package or ("" if is_global else group.replace("/", "."))


def _find(name: str, roots: Sequence[Path]) -> Path | None:
    return next((root / name for root in roots if (root / name).is_file()), None)


def _open_lines(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The open values in a YAML tree: their keys and the lines that they stand in, from 0 on."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if isinstance(value, yaml.ScalarNode) and value.value == OPEN:
            yield f"{prefix}{key.value}", key.start_mark.line
        yield from _open_lines(value, f"{prefix}{key.value}.")


def _help(lines: Sequence[str], line: int) -> str:
    above = _comment(lines[:line][::-1])[::-1]
    if above:
        return _sentence(above)
    head = _sentence(_comment([each for each in lines if not each.startswith("# @")]))
    return f"... ({head})" if head else ""


def _comment(lines: Sequence[str]) -> list[str]:
    """The comment that `lines` begin with."""
    end = next((i for i, each in enumerate(lines) if not each.lstrip().startswith("#")), len(lines))
    return [each for each in lines[:end] if not each.startswith("# @")]


def _sentence(lines: Sequence[str]) -> str:
    return " ".join(re.sub(r"^\s*#\s*", "", each) for each in lines).strip()
