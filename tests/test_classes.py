from __future__ import annotations

import numpy as np
import pytest
import torch

from segsr.batch import IGNORE_INDEX
from segsr.classes import (
    ADE20K,
    CAMVID,
    CLASSES,
    IGNORE_COLOUR,
    LABELMEFACADE,
    PALETTE,
    colourise,
    lookup_table,
)
from segsr.errors import SegSRError


def named(class_map, label):
    index = class_map[label]
    return None if index == IGNORE_INDEX else CLASSES[index]


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


def test_street_vocabularies():
    assert [named(LABELMEFACADE, i) for i in range(9)] == [
        None, "building", "vehicle", "door", "pavement", "road", "sky", "tree", "window",
    ]  # fmt: skip
    assert [named(CAMVID, i) for i in range(12)] == [
        "sky", "building", None, "road", "pavement", "tree", "sign", "fence", "vehicle",
        "person", "person", None,
    ]  # fmt: skip


def test_ade20k_leaves_two_classes_empty():
    assert sorted(ADE20K) == list(range(150))
    known = {CLASSES[index] for index in ADE20K.values() if index != IGNORE_INDEX}
    assert set(CLASSES) - known == {"snow", "bird"}
    examples = {0: "wall", 2: "sky", 12: "person", 20: "vehicle", 34: "rock", 76: "boat", 22: None}
    assert {label: named(ADE20K, label) for label in examples} == examples


def test_lookup_table_ignores_what_the_map_does_not_know():
    table = lookup_table({3: 0, 7: 33})
    assert table.dtype == np.uint8
    assert (table[3], table[7]) == (0, 33)
    assert (np.delete(table, [3, 7]) == IGNORE_INDEX).all()


@pytest.mark.parametrize("class_map", [{256: 0}, {-1: 0}, {0: 34}])
def test_lookup_table_refuses_what_is_out_of_range(class_map):
    with pytest.raises(SegSRError, match="out of range"):
        lookup_table(class_map)
