"""HTML from templates, everything in it escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

ASSETS = Path(__file__).parent / "assets"
OURS = "this failed for a reason of ours: the server's log has it"
"""What a visitor is told of an error that nobody foresaw."""


def render(template: str, **values: Any) -> str:
    """Return the HTML of a template of `assets/`."""
    return _environment().get_template(template).render(**values)


def asset(name: str) -> str:
    """Return the text of a file of `assets/`."""
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(ASSETS)
    return jinja2.Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
