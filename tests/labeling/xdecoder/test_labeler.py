"""X-Decoder as a labeler: names and templates to masks, with a tokenizer made here."""

import json

import pytest
import torch
from transformers import CLIPTokenizer

from segsr.errors import SegSRError
from segsr.labeling.base import Labeler, label, resize_short_side
from segsr.labeling.xdecoder.labeler import XDecoderLabeler
from segsr.labeling.xdecoder.prompts import TEMPLATES, prompts

CLASSES = ("sky", "tree-merged")
TWO = ("{}.", "a {}.")


@pytest.fixture(scope="module")
def files(weights, tmp_path_factory):
    """A checkpoint, and a CLIP tokenizer of 64 tokens: letters, within and at the end of words."""
    folder = tmp_path_factory.mktemp("xdecoder")
    torch.save(weights, folder / "x.pt")
    signs = [*"abcdefghijklmnopqrstuvwxyz.", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz.")]
    signs += [str(i) for i in range(62 - len(signs))]
    vocabulary = {s: i for i, s in enumerate([*signs, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder / "tokenizer"))
    return folder


@pytest.fixture(scope="module")
def labeler(files):
    return make(files)


def make(files, **changes):
    arguments = {
        "classes": CLASSES,
        "tokenizer": files / "tokenizer",
        "short_side": 40,
        "templates": TWO,
        "heads": 4,
        "text_heads": 4,
    }
    return XDecoderLabeler(files / "x.pt", **{**arguments, **changes})


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 60, 90, generator=torch.Generator().manual_seed(0))


def test_scores_keep_the_networks_best_class(labeler, images) -> None:
    assert isinstance(labeler, Labeler)
    raw = labeler.net.semantic(resize_short_side(images, 40), labeler.text, (50, 70))
    scores = labeler.scores(images, (50, 70))
    assert scores.shape == (2, 2, 50, 70)
    assert scores.min() >= 0
    assert scores.sum(dim=1).max() <= 1 + 1e-5
    assert torch.equal(scores.argmax(dim=1), raw.argmax(dim=1))
    assert raw.sum(dim=1).max() > 1
    assert torch.equal(label(labeler, images).masks, labeler.scores(images, (60, 90)).argmax(1))


def test_names_lose_cocos_suffixes_and_background_is_added(labeler, files) -> None:
    plain = make(files, classes=("sky", "tree"))
    torch.testing.assert_close(plain.text, labeler.text)
    assert labeler.text.shape == (3, 64)
    torch.testing.assert_close(labeler.text.norm(dim=1), torch.ones(3))
    other = make(files, classes=("sea", "tree"))
    torch.testing.assert_close(other.text[1:], plain.text[1:])
    assert not torch.allclose(other.text[0], plain.text[0], atol=1e-3)


def test_synonyms_add_to_the_score_of_their_class(files, images) -> None:
    words = make(files, classes=("sky", "sea", "tree"))
    grouped = make(files, classes=("sky", "tree"), synonyms={"sky": ["sea"], "stone": ["rock"]})
    images = resize_short_side(images, 40)
    apart = words.net.semantic(images, words.text, (30, 45))
    together = grouped.net.semantic(images, grouped.text, (30, 45), grouped.groups)
    torch.testing.assert_close(together, torch.stack([apart[:, 0] + apart[:, 1], apart[:, 2]], 1))
    assert grouped.scores(images, (30, 45)).shape == (2, 2, 30, 45)


def test_the_text_encoder_is_not_kept(labeler) -> None:
    assert not any("text_encoder" in name for name, _ in labeler.named_parameters())
    assert not any(p.requires_grad for p in labeler.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "at least one name"),
        ({"short_side": 0}, "at least 1 pixel"),
        ({"templates": ("a photo",)}, "once"),
        ({"templates": ()}, "once"),
        ({"tokenizer": "no/such/folder/here"}, "no CLIP tokenizer"),
    ],
)
def test_what_cannot_be_used_is_refused(files, monkeypatch, changes, message) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SegSRError, match=message):
        make(files, **changes)


def test_a_foreign_tokenizer_is_refused(files, tmp_path) -> None:
    vocabulary = json.loads((files / "vocab.json").read_text())
    ids = sorted(vocabulary, key=vocabulary.get, reverse=True)
    (tmp_path / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(ids)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(SegSRError, match="end token"):
        make(files, tokenizer=tmp_path)


def test_there_are_81_different_templates() -> None:
    assert len(set(TEMPLATES)) == 81
    assert prompts("water-other")[:2] == ["water.", "a photo of a water."]
    assert prompts("sky-other-merged", ["{}"]) == ["sky"]
    assert prompts("floor-wood", ["{}"]) == ["floor-wood"]
