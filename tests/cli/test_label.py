from __future__ import annotations

import json
import signal

import pytest
import torch
from label_command import BY_BATCH, label, masks_of, photos_of_two_sizes, times_of
from launch import SEGSR, stop
from PIL import Image
from tiny_transformers import write_model

from segsr import cli
from segsr.classes import CLASSES
from segsr.cli.statuses import KILLED, USAGE_ERROR
from segsr.data import ImageFolder, MaskedPairDataModule
from segsr.data.read import read_sample
from segsr.errors import SegSRError
from segsr.files.mask import read_mask, write_mask
from segsr.files.pixels import read_image
from segsr.labeling import base
from segsr.labeling.transformers import TransformersLabeler
from segsr.palette import PALETTE


@pytest.fixture
def photos(tmp_path, picture):
    return photos_of_two_sizes(tmp_path / "photos", picture)


@pytest.fixture
def recipe(write):
    return write("by_batch.yaml", BY_BATCH)


def test_a_folder_is_labelled_and_summed_up(photos, recipe, tmp_path, capsys):
    out = tmp_path / "masks"
    sheet = tmp_path / "sheet.png"
    assert label(photos, out, recipe, "--preview", str(sheet)) == 0
    assert set(masks_of(out)) == {path.name for path in photos.iterdir()}
    assert sheet.exists()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["masks"] == summary["photos"] == 24
    assert summary["classes"] == list(CLASSES)
    assert sum(summary["shares"].values()) == pytest.approx(1)
    assert not summary["failed"]
    captured = capsys.readouterr()
    assert "24 masks drawn, 0 kept (exist already), 0 failed" in captured.err
    largest, share = next(iter(summary["shares"].items()))
    assert largest in captured.out
    assert f"{share:.2%}" in captured.out


def test_a_second_run_does_nothing(photos, recipe, tmp_path, capsys):
    out = tmp_path / "masks"
    label(photos, out, recipe)
    times = times_of(out)
    shares = json.loads((out / "summary.json").read_text())
    capsys.readouterr()
    assert label(photos, out, recipe) == 0
    assert times_of(out) == times
    assert json.loads((out / "summary.json").read_text()) == shares
    assert "0 masks drawn, 24 kept" in capsys.readouterr().err


def test_killed_and_run_again_it_ends_with_the_same_bytes(photos, recipe, tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "masks"
    label(photos, undisturbed, recipe)
    command = [*SEGSR, "label", str(photos), "-o", str(out), "-c", str(recipe)]
    status, _ = stop([*command, "labeler.seconds=0.1"], signal.SIGKILL, out / "10.png")
    assert status == -signal.SIGKILL
    before = times_of(out)
    assert 3 <= len(before) < 24
    (out / "label.yaml").write_bytes((undisturbed / "label.yaml").read_bytes())  # its seconds
    assert label(photos, out, recipe) == 0
    assert masks_of(out) == masks_of(undisturbed)
    assert {name: times_of(out)[name] for name in before} == before
    theirs, ours = (json.loads((f / "summary.json").read_text()) for f in (undisturbed, out))
    assert ours == theirs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_stops(number, photos, recipe, tmp_path):
    out = tmp_path / "masks"
    command = [*SEGSR, "label", str(photos), "-o", str(out), "-c", str(recipe)]
    status, output = stop([*command, "labeler.seconds=0.2"], number, out / "04.png")
    assert status == KILLED + number
    assert "Traceback" not in output
    assert 3 <= len(list(out.glob("*.png"))) < 24
    assert not list(out.glob(".*"))


def test_a_list_is_shared_out_among_jobs(photos, recipe, tmp_path, capsys):
    names = sorted(path.name for path in photos.iterdir())
    manifest = tmp_path / "list.txt"
    manifest.write_text("\n".join(names))
    whole, out = tmp_path / "whole", tmp_path / "masks"
    label(photos, whole, recipe)
    job = ["root=" + str(photos), "part.count=2"]
    assert label(manifest, out, recipe, *job, "part.index=1") == 0
    assert set(masks_of(out)) == set(names[8:16])
    assert "16 left to other jobs" in capsys.readouterr().err
    assert label(manifest, out, recipe, *job, "part.index=0") == 0
    assert "16 masks drawn, 8 kept" in capsys.readouterr().err
    assert masks_of(out) == masks_of(whole)
    assert label(manifest, out, recipe, *job, "part.index=2") == USAGE_ERROR
    assert "part.index must be from 0 to part.count - 1 = 1, got 2" in capsys.readouterr().err


def test_bad_photographs_are_reported_and_tried_again(photos, recipe, tmp_path, capsys, picture):
    (photos / "05.png").write_bytes(b"no image")
    picture(photos / "06.jpg", 20, 12)
    out = tmp_path / "masks"
    assert label(photos, out, recipe) == 1
    err = capsys.readouterr().err
    assert "05.png is not a readable image" in err
    assert "its mask would have the name of that of" in err
    assert "23 masks drawn, 0 kept (exist already), 2 failed" in err
    assert len(json.loads((out / "summary.json").read_text())["failed"]) == 2
    times = times_of(out)
    (photos / "06.png").unlink()
    (photos / "06.png").symlink_to(photos / "07.png")
    (photos / "06.jpg").unlink()
    picture(photos / "05.png", 20, 12)
    assert label(photos, out, recipe) == 0
    assert "1 masks drawn, 23 kept (exist already), 0 failed" in capsys.readouterr().err
    assert {name: times_of(out)[name] for name in times} == times


def test_confidence_may_be_asked_for_later(photos, recipe, tmp_path, capsys):
    out, sure = tmp_path / "masks", tmp_path / "sure"
    label(photos, out, recipe)
    times = times_of(out)
    assert label(photos, out, recipe, "--confidence", str(sure)) == 0
    assert set(masks_of(sure)) == set(times)
    assert times_of(out) == times
    before = times_of(sure)
    assert label(photos, out, recipe, "--confidence", str(sure)) == 0
    assert times_of(sure) == before
    assert label(photos, out, recipe, "--confidence", str(out)) == USAGE_ERROR
    assert "cannot hold both: give each a folder" in capsys.readouterr().err


def test_nothing_is_written_among_the_photographs(recipe, tmp_path, picture, capsys):
    photo = tmp_path / "photos" / "a" / "b.jpg"
    picture(photo, 20, 12)
    listed = tmp_path / "photos" / "list.txt"
    listed.write_text("a/b.jpg")
    before = photo.read_bytes()
    for source, folder in ((photo.parent, photo.parent), (photo, photo.parent), (listed, "photos")):
        assert label(source, tmp_path / folder, recipe) == USAGE_ERROR
        assert "holds the photographs" in capsys.readouterr().err
    elsewhere = tmp_path / "masks"
    for option in ("--confidence", "--preview"):
        wrong = photo if option == "--preview" else photo.parent
        assert label(photo.parent, elsewhere, recipe, option, str(wrong)) == USAGE_ERROR
    assert label(photo.parent, elsewhere, recipe, "--preview", "sheet.gif") == USAGE_ERROR
    assert not list(tmp_path.rglob("*.png"))
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    ["batch_size=three", "threads=1.5", "shard_size=null", "part.index=x", "threshold=high"],
)
def test_what_is_no_number_is_told_in_a_sentence(change, photos, recipe, tmp_path, capsys):
    assert label(photos, tmp_path / "masks", recipe, change) == USAGE_ERROR
    assert f"{change.split('=')[0]} must be a " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        ("[sky, no]", "must be a list of words"),
        ("sky", "must be a list of words"),
        ("[sky, sky]", "sky more than once"),
        ("[]", "1 to 254 names"),
        (str([f"n{i}" for i in range(255)]), "1 to 254 names"),
    ],
)
def test_a_vocabulary_that_masks_cannot_hold(names, rule, photos, write, tmp_path, capsys):
    write("vocabulary/mine.yaml", f"names: {names}\nsynonyms: {{}}\n")
    mine = BY_BATCH.replace("  - _self_", "  - override vocabulary: mine\n  - _self_")
    assert label(photos, tmp_path / "masks", write("mine.yaml", mine)) == USAGE_ERROR
    assert rule in capsys.readouterr().err


def test_names_and_reasons_are_printed_as_they_are(photos, write, tmp_path, capsys):
    recipe = write("refusing.yaml", BY_BATCH.replace("ByBatch", "Refusing\n  at_once: false"))
    (photos / "00.png").rename(photos / "[bold]00.png")
    assert label(photos, tmp_path / "masks", recipe) == 1
    err = capsys.readouterr().err
    assert "[bold]00.png: no closing tag [/bold] in [1, 3]" in err


def test_masks_of_another_labeler_are_left_alone(photos, recipe, tmp_path, capsys):
    out = tmp_path / "masks"
    label(photos, out, recipe)
    for change in ("threshold=0.3", "labeler.seconds=0.001"):
        assert label(photos, out, recipe, change) == USAGE_ERROR
        assert "masks not of this labeler and threshold" in capsys.readouterr().err
    strange = tmp_path / "strange"
    write_mask(strange / "a.png", torch.zeros(2, 2).long(), [(0, 0, 0)])
    assert label(photos, strange, recipe) == USAGE_ERROR
    assert "holds masks of no label.yaml" in capsys.readouterr().err


def test_the_packaged_labeler_labels_any_size(tmp_path, picture, capsys):
    for name, size in {"a": (96, 64), "b": (1, 1), "c": (33, 200)}.items():
        picture(tmp_path / "photos" / f"{name}.png", *size)
    arguments = ["label", str(tmp_path / "photos"), "-o", str(tmp_path / "masks")]
    assert cli.main(arguments) == 0
    assert read_mask(tmp_path / "masks" / "c.png").shape == (200, 33)
    assert read_mask(tmp_path / "masks" / "b.png").shape == (1, 1)


def test_what_xdecoder_lacks_is_told_with_where_it_is(photos, tmp_path, capsys):
    arguments = ["label", str(photos), "-o", str(tmp_path / "masks"), "labeler=xdecoder"]
    assert cli.main(arguments) == USAGE_ERROR
    assert "labeler.checkpoint=FILE (X-Decoder's public xdecoder_focall" in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_a_vocabulary_of_ones_own(photos, write, tmp_path, capsys):
    write("vocabulary/mine.yaml", "names: [lion, sky]\nsynonyms: {lion: [big cat]}\n")
    mine = "  - override vocabulary: mine\n  - _self_"
    recipe = write("mine.yaml", BY_BATCH.replace("  - _self_", mine))
    compact = write("compact_mine.yaml", f"defaults:\n  - label\n{mine}\n")
    out = tmp_path / "masks"
    assert label(photos, out, recipe) == 0
    assert json.loads((out / "summary.json").read_text())["classes"] == ["lion", "sky"]
    assert max(read_mask(path).max() for path in out.glob("*.png")) == 1
    new = tmp_path / "new"
    assert label(photos, new, compact) == USAGE_ERROR
    assert "knows 34 classes, but 2 names are given" in capsys.readouterr().err
    assert label(photos, new, recipe) == 0  # a labeler that could not be had claims no folder


@pytest.mark.parametrize("kind", ["eomt", "mask2former"])
def test_a_model_of_transformers(kind, photos, tmp_path):
    write_model(kind, tmp_path / kind)
    arguments = [f"labeler={kind}", f"labeler.model={tmp_path / kind}", "batch_size=1"]
    out = tmp_path / "masks"
    assert cli.main(["label", str(photos), "-o", str(out), *arguments]) == 0
    labeler = TransformersLabeler(tmp_path / kind)
    for name in ("00.png", "01.png"):
        expected = base.label(labeler, read_image(photos / name)[None] / 255).masks[0]
        assert torch.equal(read_mask(out / name), expected)
    shares = json.loads((out / "summary.json").read_text())["shares"]
    assert set(shares) <= {*CLASSES, "unlabelled"}
    assert len(shares) > 3


def test_the_data_module_reads_what_was_drawn(photos, recipe, tmp_path):
    big = tmp_path / "data" / "images"
    big.mkdir(parents=True)
    for path in photos.iterdir():
        Image.open(path).resize((96, 80)).save(big / path.name)
    masks = tmp_path / "data" / "masks"
    assert label(big, masks, recipe) == 0
    source = ImageFolder(images="images", masks="masks")
    data = MaskedPairDataModule(root=tmp_path / "data", train=[source], crop_size=64, batch_size=4)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["mask"].shape == (4, 64, 64)
    assert set(batch["mask"].unique().tolist()) <= {20, 21, 30, 31, 32}
    write_mask(masks / "00.png", torch.zeros(80, 97).long(), PALETTE)
    with pytest.raises(SegSRError, match=r"00\.png is 97x80, its image .* 96x80"):
        read_sample(data._files["train"][0])
