"""A model card from a model folder, what was measured of it, and what only its maker knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import yaml
from safetensors import SafetensorError, safe_open

from segsr.batch import SCALE
from segsr.checkpoints.folder import component_class, load_scheduler, load_settings
from segsr.checkpoints.hub import model_digest
from segsr.checkpoints.network import CONFIG, WEIGHTS, read_json
from segsr.checkpoints.state_dict import first_line
from segsr.errors import SegSRError

_DESCRIBED = {
    "autoencoder": "pictures to latents and back",
    "controller": "what the LQ photograph tells the image denoiser",
    "denoiser": "the picture's diffusion",
    "prior": "SegFormer: the first mask",
    "seg_denoiser": "the mask's diffusion",
    "bridge": "what both diffusions tell each other",
    "cfw": "controllable decoder (`--fidelity`)",
}
RESULTS = "table.md"
"""What `segsr test`, `evaluate` and `benchmark` call a table with its protocol."""


@dataclass(frozen=True)
class Statement:
    """What no file knows of a model.

    Attributes:
        licence: Its identifier on the hub, such as `cc-by-nc-4.0`, `apache-2.0` or `other`.
        data: What it was trained on, and whose that is.
        limits: What it cannot do.
    """

    licence: str
    data: str
    limits: str = ""


@dataclass(frozen=True)
class Component:
    """A network of a model folder, from its files' heads alone.

    Attributes:
        name: Of its subfolder.
        kind: Its class.
        parameters: How many values its weights file holds.
        types: Their types, as safetensors calls them.
    """

    name: str
    kind: str
    parameters: int
    types: tuple[str, ...]


def components(folder: Path) -> list[Component]:
    """The networks of a model folder, checked to be of the classes it may hold.

    Raises:
        SegSRError: If one is of another class, or its weights cannot be read.
    """
    return list(_components(folder))


def _components(folder: Path) -> Iterator[Component]:
    for name in _DESCRIBED:
        config = folder / name / CONFIG
        if not config.is_file():
            continue
        cls = component_class(name, read_json(config), config)
        path = folder / name / WEIGHTS
        try:
            with safe_open(path, "pt") as file:
                slices = [file.get_slice(key) for key in file.keys()]  # noqa: SIM118
                counts = [prod(each.get_shape()) for each in slices]
                types = sorted({each.get_dtype() for each in slices})
        except (OSError, SafetensorError) as error:
            raise SegSRError(
                f"{path} is no readable safetensors file ({first_line(error)}): train or export"
                " that stage anew."
            ) from error
        yield Component(name, cls.__name__, sum(counts), tuple(types))


def silent_bridge(folder: Path) -> bool | None:
    """Whether a bridge's projections are all zero, so that masks do not steer; None without one."""
    path = folder / "bridge" / WEIGHTS
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        names = [key for key in file.keys() if ".projections." in key]  # noqa: SIM118
        return not any(file.get_tensor(name).any() for name in names)


def measured(folders: Sequence[Path]) -> list[str]:
    """The tables of folders of results, each with its protocol.

    Raises:
        SegSRError: If a folder has none.
    """
    tables = []
    for folder in folders:
        path = folder / RESULTS if folder.is_dir() else folder
        try:
            tables.append(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise SegSRError(
                f"no results in {folder}: give a folder with {RESULTS}, as segsr test, evaluate and"
                " benchmark leave it, or such a file."
            ) from error
    return tables


def model_card(folder: Path, name: str, statement: Statement, results: Sequence[str] = ()) -> str:
    """The card of a model folder, Markdown with the hub's head.

    Args:
        folder: The model folder.
        name: What it will be called, `owner/name`.
        statement: What no file knows.
        results: Tables with their protocols, from `measured`.

    Raises:
        SegSRError: If the folder holds no model that segsr reads.
    """
    settings = load_settings(folder)
    parts = components(folder)
    if not parts:
        raise SegSRError(f"{folder} holds no network of segsr's: give a model folder.")
    head = {
        "license": statement.licence,
        "library_name": "segsr",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "semantic-segmentation", "diffusion", "segsr"],
    }
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).strip(),
        "---",
        f"# {name}",
        "",
        f"Restores photographs at {SCALE} times their size together with a mask of what is where in"
        " them: a model folder of segsr, safetensors and JSON alone.",
        "",
        "```sh",
        f"segsr upscale PHOTOS -o OUT --model {name}",
        "```",
        "",
        "```python",
        "from segsr import JointSegSR",
        "",
        f'model = JointSegSR.from_pretrained("{name}", sha256="{model_digest(folder)}")',
        "```",
        "",
        "## Networks",
        "",
        "| part | class | parameters | stored as | what it does |",
        "|---|---|---:|---|---|",
        *(
            f"| `{part.name}` | {part.kind} | {part.parameters:,} | {', '.join(part.types)} |"
            f" {_DESCRIBED[part.name]} |"
            for part in parts
        ),
        "",
        *_settings(folder, settings),
        "## Data and terms",
        "",
        f"{statement.data.strip()}",
        "",
        f"Licence of the weights: {statement.licence}.",
        "",
        "## Measured",
        "",
        *(results or ["Nothing was measured of these weights, or no results were handed in."]),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in _limits(folder, parts, statement)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _settings(folder: Path, settings: dict[str, object]) -> list[str]:
    lines = [f"- {branch}: `{json.dumps(values)}`" for branch, values in settings.items()]
    if (folder / "scheduler").is_dir():
        scheduler = load_scheduler(folder)
        lines.append(
            f"- scheduler: {type(scheduler).__name__}, predicts {scheduler.config.prediction_type}"
        )
    return [*lines, ""] if lines else []


def _limits(folder: Path, parts: Sequence[Component], statement: Statement) -> Iterator[str]:
    if statement.limits.strip():
        yield statement.limits.strip()
    if silent_bridge(folder):
        yield "The bridge is untrained: masks do not steer the picture."
    lacking = [name for name in _DESCRIBED if name not in {*(part.name for part in parts), "cfw"}]
    if lacking:
        yield f"Not a whole model, it lacks: {', '.join(lacking)}."
    yield f"It is trained for a factor of {SCALE}; other sizes are made of that by resizing."
    yield "What a photograph does not hold is guessed: a restored face or text is no evidence."
