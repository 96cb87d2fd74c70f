"""The nodes keep ComfyUI's contract, and do what they say, without ComfyUI."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
from pathlib import Path

import pytest
import tiny
import torch

from segsr.classes import CLASSES
from segsr.inference.pipeline import SegSRPipeline

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"


@pytest.fixture(scope="module")
def nodes():
    """Loaded as ComfyUI does: the folder as a package, by path."""
    spec = importlib.util.spec_from_file_location(
        "custom_node", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    yield package
    for name in [name for name in sys.modules if name.startswith("custom_node")]:
        del sys.modules[name]


@pytest.fixture
def model():
    return SegSRPipeline(tiny.joint(seed=1).eval().model)


def test_the_contract(nodes) -> None:
    classes, titles = nodes.NODE_CLASS_MAPPINGS, nodes.NODE_DISPLAY_NAME_MAPPINGS
    assert classes.keys() == titles.keys()
    made = {kind for node in classes.values() for kind in node.RETURN_TYPES} | {"IMAGE", "MASK"}
    for node in classes.values():
        inputs = node.INPUT_TYPES()
        assert set(inputs) <= {"required", "optional", "hidden"}
        given = {**inputs["required"], **inputs.get("optional", {})}
        for kind, *options in given.values():
            assert isinstance(kind, list) or kind in made | {"INT", "FLOAT", "STRING"}
            assert all(isinstance(each, dict) for each in options)
        parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
        assert set(parameters) - {"self"} == set(given)
        optional = {n for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
        assert optional == set(inputs.get("optional", {}))
        assert len(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)) == len(node.RETURN_TYPES)
        assert node.CATEGORY == "segsr"


def test_restore_gives_what_the_pipeline_gives(nodes, model) -> None:
    images = torch.rand(2, 16, 20, 3)
    node = nodes.NODE_CLASS_MAPPINGS["SegSRRestore"]()
    values = {"seed": 3, "scale": 3.0, "steps": 2, "guidance": 1.0, "strength": 1.0}
    found, classes = node.restore(model, images, **values)
    assert found.shape == (2, 48, 60, 3)
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert classes.shape == (2, 48, 60)
    expected = model(images[1].permute(2, 0, 1), seed=3, scale=3.0, steps=2)
    assert torch.equal(found[1], expected.image.permute(1, 2, 0))
    assert torch.equal(classes[1], expected.mask)


def test_painted_classes_are_held(nodes, model) -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, :8] = 1
    (held,) = nodes.NODE_CLASS_MAPPINGS["SegSRPaintClass"]().paint(mask, "water")
    assert held.unique().tolist() == [CLASSES.index("water"), 255]
    node = nodes.NODE_CLASS_MAPPINGS["SegSRRestore"]()
    values = {"seed": 0, "scale": 4.0, "steps": 0, "guidance": 1.0, "strength": 1.0}
    _, classes = node.restore(model, torch.rand(1, 16, 16, 3), **values, classes=held)
    (water,) = nodes.NODE_CLASS_MAPPINGS["SegSRClassMask"]().mask(classes, "water")
    assert water.shape == (1, 64, 64)
    assert water[:, :32].min() == 1
    (picture,) = nodes.NODE_CLASS_MAPPINGS["SegSRColours"]().colours(classes)
    assert picture.shape == (1, 64, 64, 3)
    with pytest.raises(ValueError, match="resize the mask"):
        nodes.NODE_CLASS_MAPPINGS["SegSRPaintClass"]().paint(mask, "water", classes)


def test_labels_and_loading(nodes) -> None:
    (classes,) = nodes.NODE_CLASS_MAPPINGS["SegSRLabel"]().label(torch.rand(1, 64, 64, 3))
    assert classes.shape == (1, 64, 64)
    assert classes.dtype == torch.int64
    (loaded,) = nodes.NODE_CLASS_MAPPINGS["SegSRLoad"]().load("compact", "cpu")
    assert isinstance(loaded, SegSRPipeline)


def test_the_bar_moves_and_the_stop_button_works(nodes, model, monkeypatch) -> None:
    moved = []

    class StoppedError(Exception):
        pass

    def throw_if_stopped():
        if len(moved) == 3:
            raise StoppedError

    class ProgressBar:
        def __init__(self, total):
            moved.append(total)

        def update(self, n):
            moved.append(n)

    comfy, utils, management = (types.ModuleType(name) for name in ("comfy", "u", "m"))
    utils.ProgressBar = ProgressBar
    management.throw_exception_if_processing_interrupted = throw_if_stopped
    for name, module in (("", comfy), (".utils", utils), (".model_management", management)):
        monkeypatch.setitem(sys.modules, f"comfy{name}", module)
    node = nodes.NODE_CLASS_MAPPINGS["SegSRRestore"]()
    values = {"seed": 0, "scale": 4.0, "steps": 4, "guidance": 1.0, "strength": 1.0}
    with pytest.raises(StoppedError):
        node.restore(model, torch.rand(1, 16, 16, 3), **values)
    assert moved == [4, 1, 1]
