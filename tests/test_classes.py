from __future__ import annotations

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from segsr.classes import (
    CLASSES,
    IGNORE_COLOUR,
    OST_CATEGORIES,
    PALETTE,
    SYNONYMS,
    colourise,
)
from segsr.config import build, packaged_conf
from segsr.vocabularies import MEANINGS


def test_there_are_34_classes_and_a_colour_of_its_own_for_each():
    assert len(CLASSES) == len(set(CLASSES)) == 34
    assert len(PALETTE) == 34
    assert len({*PALETTE, IGNORE_COLOUR}) == 35
    assert (CLASSES[0], CLASSES[33]) == ("sky", "boat")


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_colourise_looks_every_class_up(kind):
    picture = colourise(kind([[0, 33, 255], [34, -1, 13]]))
    assert picture.dtype == np.uint8
    grey = list(IGNORE_COLOUR)
    assert picture.tolist() == [
        [list(PALETTE[0]), list(PALETTE[33]), grey],
        [grey, grey, list(PALETTE[13])],
    ]


def test_synonyms_belong_to_one_class_each():
    assert set(SYNONYMS) <= set(CLASSES)
    words = [word for some in SYNONYMS.values() for word in some]
    assert len(words) == len(set(words))
    assert not {*words} & {*CLASSES}
    for word, name in MEANINGS.items():  # the tables of public data sets agree
        owner = next((owner for owner, some in SYNONYMS.items() if word in some), name)
        assert owner == name, word


def test_the_seven_outdoor_categories_are_groups_of_classes():
    assert list(OST_CATEGORIES) == [
        "sky", "water", "grass", "mountain", "building", "plant", "animal",
    ]  # fmt: skip
    members = [name for group in OST_CATEGORIES.values() for name in group]
    assert len(members) == len(set(members))
    assert set(members) <= set(CLASSES)


def test_the_packaged_vocabulary_is_that_of_the_code():
    vocabulary = OmegaConf.load(packaged_conf() / "vocabulary" / "segsr.yaml")
    assert tuple(vocabulary.names) == CLASSES
    assert build(vocabulary.synonyms) == SYNONYMS
