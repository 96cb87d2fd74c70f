"""The record of a restoration: what it takes to have it again."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from segsr import __version__
from segsr.batch import SCALE
from segsr.model.options import SamplingOptions


@dataclass(frozen=True)
class Settings:
    """What a visitor chose.

    Attributes:
        seed: Key of the noise, together with the photograph's name.
        options: How to sample.
        scale: Times the photograph's size.
    """

    seed: int
    options: SamplingOptions
    scale: float | int = SCALE


def model_name(model: str) -> str:
    """Return how `model` is called where strangers read it: a folder by its last name alone."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def command(name: str, model: str, settings: Settings, mask: str | None) -> str:
    """Return the command line that restores the same.

    Args:
        name: The photograph's file.
        model: As the command line names it.
        settings: What was chosen.
        mask: The file of the mask that was held, if any.
    """
    options = settings.options
    chosen = {
        "steps": options.steps,
        "guidance": None if options.guidance == 1 else options.guidance,
        "start": options.start,
        "temperature": options.temperature,
        "fidelity": options.fidelity,
        "strength": None if options.strength == 1 else options.strength,
        "colour": options.colour,
        "scale": None if settings.scale == SCALE else settings.scale,
        "mask": mask,
    }
    words = ["segsr", "upscale", *(["--"] if name.startswith("-") else []), name]
    words += ["-o", "restored", "--model", model, "--seed", str(settings.seed)]
    for option, value in chosen.items():
        words += [] if value is None else [f"--{option}", f"{value}"]
    return shlex.join(words)


def record(
    name: str,
    photo: bytes,
    size: tuple[int, int],
    model: str,
    settings: Settings,
    mask: tuple[str, bytes] | None = None,
) -> str:
    """Return the record as JSON.

    Args:
        name: The photograph's file.
        photo: Its content.
        size: Its height and width.
        model: As `model_name` says.
        settings: What was chosen.
        mask: File and content of the mask that was held, if any.
    """
    of = {"name": name, "sha256": _sha256(photo), "height": size[0], "width": size[1]}
    held = None if mask is None else {"name": mask[0], "sha256": _sha256(mask[1])}
    whole = {
        "segsr": __version__,
        "model": model,
        "photo": of,
        "seed": settings.seed,
        "options": asdict(settings.options),
        "scale": settings.scale,
        "mask": held,
        "command": command(name, model, settings, mask and mask[0]),
    }
    return json.dumps(whole, indent=2) + "\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
