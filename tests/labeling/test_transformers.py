"""Models of transformers as labelers: against their own processors, and what they refuse."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file
from tiny_transformers import ADE20K_NAMES, KINDS, SIDE, write_model
from torch.nn import functional as F
from transformers import ViTConfig

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.config import build, packaged_conf
from segsr.errors import SegSRError
from segsr.labeling import transformers as module
from segsr.labeling.base import Labeler, label
from segsr.labeling.transformers import (
    TransformersLabeler,
    class_scores,
    group_matrix,
    query_scores,
    stitch,
)
from segsr.vocabularies import ADE20K

WIDE, TALL = (96, 144), (150, 96)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder for each kind of model, and for EoMT's other forms."""
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        write_model(kind, folder / kind)
    square = {"shortest_edge": SIDE, "longest_edge": SIDE}
    panoptic = {"size": square, "do_split_image": False, "do_pad": True}
    write_model("eomt", folder / "padded_eomt", labels=None, **panoptic)
    padded = {"size": square, "pad_size": {"height": 96, "width": 96}}
    write_model("mask2former", folder / "padded_mask2former", **padded)
    return folder


def photographs(size, count=2, seed=0):
    noise = torch.rand(count, 3, 8, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size, mode="bicubic").clamp(0, 1)


def run(labeler, images):
    """The bare network's outputs."""
    inputs = labeler.processor(images, do_rescale=False, return_tensors="pt")
    given = {k: v for k, v in inputs.items() if k != "task_inputs"}
    if labeler.kind == "oneformer":
        given["task_inputs"] = labeler.task.expand(len(images), -1)
    return labeler.net(**given), inputs


def share(a, b):
    return (a == b).float().mean().item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [WIDE, TALL])
def test_the_best_label_is_the_processors(kind, size, models) -> None:
    labeler = TransformersLabeler(models / kind, classes=ADE20K_NAMES)
    images = photographs(size)
    scores = labeler.scores(images, size)
    assert scores.shape == (2, 150, *size)
    assert scores.min() >= 0
    assert scores.sum(dim=1).max() < 1 + 1e-5
    outputs, _ = run(labeler, images)
    public = labeler.processor.post_process_semantic_segmentation(outputs, target_sizes=[size] * 2)
    agreed = share(scores.argmax(dim=1), torch.stack(public))
    if kind != "segformer":
        assert agreed > 0.9999
        return
    # The processor resizes 150 logits to the photograph before they become probabilities, which
    # shows where random weights differ from cell to cell. It is the only difference:
    assert agreed > 0.8
    likely = SimpleNamespace(logits=outputs.logits.softmax(dim=1))
    public = labeler.processor.post_process_semantic_segmentation(likely, [size] * 2)
    assert share(scores.argmax(dim=1), torch.stack(public)) > 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_added_up_by_class(kind, models) -> None:
    images = photographs(WIDE)
    by_label = TransformersLabeler(models / kind, classes=ADE20K_NAMES).scores(images, (40, 50))
    labeler = TransformersLabeler(models / kind)
    assert isinstance(labeler, Labeler)
    assert labeler.classes == CLASSES
    groups = torch.zeros(2, 35, 40, 50)  # by hand
    for number, index in ADE20K.items():
        groups[:, 34 if index == IGNORE_INDEX else index] += by_label[:, number]
    wins = groups[:, :34].amax(dim=1, keepdim=True) >= groups[:, 34:]
    scores = labeler.scores(images, (40, 50))
    torch.testing.assert_close(scores, groups[:, :34] * wins, atol=2e-6, rtol=0)
    found = label(labeler, images, size=(40, 50))
    nothing = ~wins[:, 0] | (groups.amax(dim=1) == 0)
    assert share(found.masks == IGNORE_INDEX, nothing) > 0.999
    assert found.masks.unique().numel() > 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [WIDE, TALL, (80, 80)])
def test_a_batch_is_its_photographs(kind, size, models) -> None:
    labeler = TransformersLabeler(models / kind, classes=ADE20K_NAMES)
    images = photographs(size, count=3, seed=1)
    alone = torch.cat([labeler.scores(image[None], (60, 70)) for image in images])
    assert (alone[0] - alone[1]).abs().max() > 0.01
    torch.testing.assert_close(labeler.scores(images, (60, 70)), alone, atol=3e-4, rtol=0)


@pytest.mark.parametrize("kind", ["eomt", "mask2former"])
def test_padding_is_cut_off(kind, models) -> None:
    labeler = TransformersLabeler(models / f"padded_{kind}", classes=ADE20K_NAMES[:20] + CLASSES)
    images = photographs(WIDE)
    outputs, inputs = run(labeler, images)
    side = SIDE if kind == "eomt" else 384
    masks = F.interpolate(outputs.masks_queries_logits, (side, side), mode="bilinear")
    maps = query_scores(outputs.class_queries_logits, masks.sigmoid(), labeler.groups)
    if kind == "eomt":  # 96 x 144 fits 64 x 64 as 42 x 64; EoMT's own way back
        assert inputs["pixel_values"].shape[-2:] == (SIDE, SIDE)
        size = {"shortest_edge": SIDE, "longest_edge": SIDE}
        maps = torch.stack(labeler.processor.unpad_image(maps, [WIDE, WIDE], size))
    else:  # Mask2Former fills multiples of 32: 64 x 64 of 96 x 96
        assert inputs["pixel_values"].shape[-2:] == (96, 96)
        assert inputs["pixel_mask"].sum(dim=(1, 2)).tolist() == [SIDE * SIDE] * 2
        maps = maps[..., : side * SIDE // 96, : side * SIDE // 96]
    expected = class_scores(maps, WIDE)
    scores = labeler.scores(images, WIDE)
    assert share(scores.argmax(dim=1), expected.argmax(dim=1)) > 0.98
    assert (scores - expected).abs().mean() < 0.003
    assert len(scores.argmax(dim=1).unique()) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_gives_nearly_the_same(kind, models) -> None:
    labeler = TransformersLabeler(models / kind)
    images = photographs(WIDE)
    full = labeler.scores(images, WIDE)
    half = labeler.to(torch.bfloat16).scores(images, WIDE)
    assert half.dtype == torch.float32
    assert (half - full).abs().mean() < 0.1
    assert torch.isfinite(half).all()


def test_what_the_queries_show_by_hand() -> None:
    p = torch.tensor([[[0.5, 0.25, 0.125, 0.125], [0.1, 0.2, 0.3, 0.4]]])  # two queries, 3 labels
    m = torch.tensor([[[[0.9]], [[0.5]]]])
    maps = query_scores(p.log(), m, group_matrix([1, 0, 1], 2))
    expected = [0.25 * 0.9 + 0.2 * 0.5, 0.625 * 0.9 + 0.4 * 0.5, 0.0, 0.875 * 0.9 + 0.6 * 0.5]
    torch.testing.assert_close(maps.flatten(), torch.tensor(expected))
    columns = group_matrix([1, IGNORE_INDEX, 0], 2)
    assert columns.tolist() == [[0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]]


def test_class_scores_by_hand() -> None:
    # pixels: sum below one; sum of two; ignored is best; ignored draws level; nothing at all
    maps = torch.tensor([[0.1, 0.2, 0.0], [1.2, 0.4, 0.4], [0.2, 0.3, 0.4], [0.2, 0.3, 0.3],
                         [0.0, 0.0, 0.0]])  # fmt: skip
    maps = torch.cat([maps, maps.sum(dim=1, keepdim=True)], dim=1)
    scores = class_scores(maps.T[None, :, None], (1, 5))[0, :, 0].T
    expected = [[0.1, 0.2], [0.6, 0.2], [0.0, 0.0], [0.2, 0.3], [0.0, 0.0]]
    torch.testing.assert_close(scores, torch.tensor(expected))


@pytest.mark.parametrize("upright", [False, True])
def test_windows_are_laid_side_by_side(upright) -> None:
    image = torch.rand(2, 3, 4, 9, generator=torch.Generator().manual_seed(0))
    windows = [image[..., start : start + 4] + 0.5 * k for k, start in enumerate((0, 3, 5))]
    expected = image.clone()
    expected[..., 3:4] += 0.25
    expected[..., 4:5] += 0.5
    expected[..., 5:7] += 0.75
    expected[..., 7:] += 1
    order = torch.stack(windows, dim=1).flatten(0, 1)
    if upright:
        order, expected = order.transpose(2, 3), expected.transpose(2, 3)
    torch.testing.assert_close(stitch(order, (0, 3, 5), upright=upright), expected)


def test_classes_and_names_of_ones_own(models) -> None:
    images = photographs(WIDE)
    own = ["car", "building", "thing"]
    labeler = TransformersLabeler(
        models / "segformer", classes=own, names={"bed": "thing", "car": None}
    )
    column = labeler.groups[:, :-1].argmax(dim=1)
    assert labeler.classes == ("car", "building", "thing")
    # car is overruled, a house is a building, a bed a thing; nobody looks for the sky
    assert [int(column[i]) for i in (20, 1, 25, 7, 2)] == [3, 1, 1, 2, 3]
    assert labeler.scores(images, (30, 40)).shape == (2, 3, 30, 40)


def test_a_checkpoint_without_names_is_ade20ks(models) -> None:
    nameless = TransformersLabeler(models / "padded_eomt")
    assert torch.equal(nameless.groups, TransformersLabeler(models / "eomt").groups)


@pytest.mark.parametrize(
    ("kind", "seen"), [("segformer", (48, 72)), ("mask2former", (64, 96)), ("oneformer", (48, 72))]
)
def test_the_short_side_overrides_the_processors(kind, seen, models) -> None:
    labeler = TransformersLabeler(models / kind, short_side=48)
    sizes = []
    labeler.net.register_forward_pre_hook(
        lambda _, __, given: sizes.append(tuple(given["pixel_values"].shape[-2:])), with_kwargs=True
    )
    assert labeler.scores(photographs(WIDE), (10, 20)).shape == (2, 34, 10, 20)
    labeler.scores(photographs((30, 300)), (10, 20))
    assert sizes[0] == seen
    # Mask2Former and OneFormer bound the long side, to three times the short one here
    assert sizes[1][1] == (480 if kind == "segformer" else 160 if kind == "mask2former" else 144)


def test_eomt_sees_one_size(models) -> None:
    TransformersLabeler(models / "eomt", short_side=SIDE)
    with pytest.raises(SegSRError, match="eomt sees 64 pixels only, got a short_side of 48"):
        TransformersLabeler(models / "eomt", short_side=48)
    with pytest.raises(SegSRError, match="short_side must be at least 1 pixel, got 0"):
        TransformersLabeler(models / "segformer", short_side=0)


def test_what_cannot_be_read_is_told(models, tmp_path, monkeypatch) -> None:
    with pytest.raises(SegSRError, match=r"no model 'nowhere': give a folder that save_pretrained"):
        TransformersLabeler("nowhere")
    with pytest.raises(SegSRError, match=r"no configuration in .* give a whole folder"):
        TransformersLabeler(tmp_path)
    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(SegSRError, match=r"is a vit, no segmentation model that labels every pix"):
        TransformersLabeler(tmp_path)

    def unreachable(*_, **__):
        raise OSError("We couldn't connect to the hub.\nCheck your connection.")

    monkeypatch.setattr(module.AutoConfig, "from_pretrained", unreachable)
    with pytest.raises(SegSRError, match=r"o/m \(We couldn't connect to the hub\): give a whole"):
        TransformersLabeler("o/m")


def test_a_damaged_folder_is_told(tmp_path) -> None:
    folder = write_model("segformer", tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: w for name, w in weights.items() if "decode_head" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(SegSRError, match=r"lacks decode_head\..* and \d+ more: it was not trained"):
        TransformersLabeler(folder)
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SegSRError, match=r"no safetensors weights in"):
        TransformersLabeler(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SegSRError, match=r"no image processor in"):
        TransformersLabeler(folder)


def test_labels_that_nobody_knows_are_told(tmp_path) -> None:
    folder = write_model("segformer", tmp_path, labels=["sky", "heron", "ibis"])
    with pytest.raises(SegSRError, match=r"labels 'heron', 'ibis' mean: map each of them in names"):
        TransformersLabeler(folder)
    labeler = TransformersLabeler(folder, names={"heron": "bird", "ibis": None})
    assert labeler.groups[:, :-1].argmax(dim=1).tolist() == [0, CLASSES.index("bird"), 34]


@pytest.mark.parametrize("option", ["eomt", "mask2former", "oneformer", "segformer"])
def test_the_recipes_build_with_a_folder(option, models) -> None:
    node = OmegaConf.load(packaged_conf() / "labeler" / f"{option}.yaml")
    node.model = str(models / option)
    assert isinstance(build(node), TransformersLabeler)
