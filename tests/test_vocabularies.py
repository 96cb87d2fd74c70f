"""What the labels of public data sets mean; today's numbers stand here by hand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.vocabularies import (
    ADE20K,
    ADE20K_150,
    CAMVID,
    CITYSCAPES_19,
    COCO_133,
    IDENTITY,
    LABELMEFACADE,
    MEANINGS,
    VOCABULARIES,
    lookup_table,
    public_names,
    vocabulary_map,
)

ADE20K_IDS = {
    "sky": [2],
    "mountain": [16, 68],
    "rock": [34],
    "building": [1, 25, 48, 79, 84],
    "tree": [4, 72],
    "grass": [9, 29],
    "plant": [17],
    "flower": [66],
    "water": [21, 60, 104, 109, 113, 128],
    "sea": [26],
    "sand": [46],
    "ground": [13, 52, 91, 94],
    "road": [6, 54],
    "pavement": [11],
    "bridge": [61, 140],
    "fence": [32, 38, 95],
    "wall": [0],
    "window": [8, 63],
    "door": [14, 58],
    "roof": [86, 106],
    "floor": [3, 28],
    "ceiling": [5],
    "curtain": [18],
    "table": [15, 33, 45, 64, 70, 73],
    "chair": [19, 30, 31, 69, 75, 97, 110],
    "sofa or bed": [7, 23, 39, 57],
    "cabinet": [10, 24, 35, 44, 55, 62],
    "sign": [43, 100, 123, 144],
    "person": [12],
    "animal": [126],
    "vehicle": [20, 80, 83, 90, 102, 116, 127],
    "boat": [76, 103],
}

MASK2FORMER_ADE20K = [  # ADE20K as Mask2Former and OneFormer spell it, where not as SegFormer does
    (6, "road, route"), (7, "bed"), (8, "window "), (11, "sidewalk, pavement"),
    (13, "earth, ground"), (16, "mountain, mount"), (22, "painting, picture"), (34, "rock, stone"),
    (35, "wardrobe, closet, press"), (37, "tub"), (38, "rail"), (40, "base, pedestal, stand"),
    (42, "column, pillar"), (43, "signboard, sign"),
    (44, "chest of drawers, chest, bureau, dresser"), (50, "refrigerator, icebox"),
    (51, "grandstand, covered stand"), (55, "case, display case, showcase, vitrine"),
    (56, "pool table, billiard table, snooker table"), (58, "screen door, screen"),
    (59, "stairway, staircase"), (61, "bridge, span"), (63, "blind, screen"),
    (65, "toilet, can, commode, crapper, pot, potty, stool, throne"), (72, "palm, palm tree"),
    (79, "hovel, hut, hutch, shack, shanty"), (86, "awning, sunshade, sunblind"),
    (87, "street lamp"), (89, "tv"), (90, "plane"), (92, "clothes"), (94, "land, ground, soil"),
    (95, "bannister, banister, balustrade, balusters, handrail"),
    (96, "escalator, moving staircase, moving stairway"),
    (97, "ottoman, pouf, pouffe, puff, hassock"),
    (99, "buffet, counter, sideboard"), (100, "poster, posting, placard, notice, bill, card"),
    (105, "conveyer belt, conveyor belt, conveyer, conveyor, transporter"),
    (107, "washer, automatic washer, washing machine"), (108, "plaything, toy"), (109, "pool"),
    (111, "barrel, cask"), (112, "basket, handbasket"), (113, "falls"),
    (116, "minibike, motorbike"), (120, "food, solid food"), (121, "step, stair"),
    (122, "tank, storage tank"), (131, "blanket, cover"), (133, "hood, exhaust hood"),
    (138, "trash can"), (147, "glass, drinking glass"),
]  # fmt: skip


def named(class_map, label):
    index = class_map[label]
    return None if index == IGNORE_INDEX else CLASSES[index]


def first_spellings(vocabulary):
    return [name.split(",")[0] for name, _ in vocabulary]


def test_street_vocabularies():
    assert [named(LABELMEFACADE, i) for i in range(9)] == [
        None, "building", "vehicle", "door", "pavement", "road", "sky", "tree", "window",
    ]  # fmt: skip
    assert [named(CAMVID, i) for i in range(12)] == [
        "sky", "building", None, "road", "pavement", "tree", "sign", "fence", "vehicle",
        "person", "person", None,
    ]  # fmt: skip


def test_ade20k_derived_from_its_table_is_the_one_written_by_hand():
    found = defaultdict(list)
    for label, index in ADE20K.items():
        if index != IGNORE_INDEX:
            found[CLASSES[index]].append(label)
    assert dict(found) == ADE20K_IDS
    assert sorted(ADE20K) == list(range(150))


def test_every_label_of_a_table_has_a_class_or_is_ignored():
    assert [len(v) for v in VOCABULARIES] == [150, 133, 19]
    for vocabulary in VOCABULARIES:
        assert {name for _, name in vocabulary} - {None} <= set(CLASSES)
        spellings = [s.strip() for name, _ in vocabulary for s in name.split(",")]
        assert len(set(spellings)) == len(spellings)
        assert all(s == s.strip().lower() and s for s in spellings)


def test_no_two_tables_contradict_each_other():
    for vocabulary in VOCABULARIES:
        for public, name in vocabulary:
            for spelling in public.split(", "):
                assert MEANINGS[spelling] == name, spelling
    for name in CLASSES:
        assert MEANINGS.get(name, name) == name


def test_every_class_has_a_label_in_ade20k_or_coco():
    assert {name for _, name in ADE20K_150} == {*CLASSES, None} - {"snow", "bird"}
    assert {name for _, name in (*ADE20K_150, *COCO_133)} == {*CLASSES, None}


def test_known_positions():
    names = first_spellings(ADE20K_150)
    assert [names[i] for i in (0, 8, 89, 113, 138, 149)] == [
        "wall", "windowpane", "television receiver", "waterfall", "ashcan", "flag",
    ]  # fmt: skip
    names = first_spellings(COCO_133)
    assert [names[i] for i in (0, 79, 80, 97, 116, 119, 132)] == [
        "person", "toothbrush", "banner", "playingfield", "tree-merged", "sky-other-merged",
        "rug-merged",
    ]  # fmt: skip
    assert [first_spellings(CITYSCAPES_19)[i] for i in (0, 8, 18)] == [
        "road",
        "vegetation",
        "bicycle",
    ]


def test_both_spellings_of_ade20k_mean_the_same():
    segformer = first_spellings(ADE20K_150)
    segformer[7] = "bed "  # as its checkpoints have it
    mask2former = list(segformer)
    for label, name in MASK2FORMER_ADE20K:
        mask2former[label] = name
    today = tuple(ADE20K[i] for i in range(150))
    assert vocabulary_map(segformer) == today
    assert vocabulary_map(mask2former) == today


def test_labels_without_names_are_counted():
    def nameless(count):
        return [f"LABEL_{i}" for i in range(count)]

    for vocabulary in VOCABULARIES:
        assert public_names(nameless(len(vocabulary))) == tuple(first_spellings(vocabulary))
    assert public_names(nameless(7)) == tuple(nameless(7))
    assert public_names(["sky"] * 150) == ("sky",) * 150
    with pytest.raises(SegSRError, match=r"'LABEL_0', 'LABEL_1' mean: map each"):
        vocabulary_map(nameless(2))


def test_names_come_first_then_the_classes_then_the_tables():
    labels = ["Sky ", "car", "earth, ground", "tower", "heron"]
    assert vocabulary_map(labels, names={"heron": "bird"}) == tuple(
        CLASSES.index(name) for name in ("sky", "vehicle", "ground", "building", "bird")
    )
    # a list of one's own: car is a class, a tower would be a building, which is not looked for
    own = ["car", "sky", "bird"]
    assert vocabulary_map(labels, own, {"HERON": "Bird"}) == (1, 0, 255, 255, 2)
    assert vocabulary_map(labels, own, {"heron": None, "sky": None, "tower": "sky"}) == (
        255, 0, 255, 1, 255,
    )  # fmt: skip
    assert vocabulary_map(labels, own, {"earth, ground": "car", "heron": None})[2] == 0
    assert vocabulary_map(labels, own, {"earth": "car", "heron": None})[2] == 0


def test_what_is_unknown_is_told_at_once():
    with pytest.raises(SegSRError, match=r"labels 'heron', 'ibis' mean: map each of them in names"):
        vocabulary_map(["sky", "heron", "car", "ibis"])
    with pytest.raises(SegSRError, match=r"classes that are none, 'bug', 'fowl': use 'sky', 'moun"):
        vocabulary_map(["sky", "heron"], names={"heron": "fowl", "sky": "bug"})
    with pytest.raises(
        SegSRError, match=r"labels that the network lacks, 'ground': it has 'earth,"
    ):
        vocabulary_map(["earth, ground"], names={"ground": "sky"})
    with pytest.raises(SegSRError, match=r"none of the network's labels 'sky', 'car' means"):
        vocabulary_map(["sky", "car"], ["beach"])


def test_lookup_table_ignores_what_the_map_does_not_know():
    table = lookup_table({3: 0, 7: 33})
    assert table.dtype == np.uint8
    assert (table[3], table[7]) == (0, 33)
    assert (np.delete(table, [3, 7]) == IGNORE_INDEX).all()
    assert lookup_table(IDENTITY)[:34].tolist() == list(range(34))


@pytest.mark.parametrize("class_map", [{256: 0}, {-1: 0}, {0: 34}])
def test_lookup_table_refuses_what_is_out_of_range(class_map):
    with pytest.raises(SegSRError, match="out of range"):
        lookup_table(class_map)
