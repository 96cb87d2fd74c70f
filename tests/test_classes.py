from __future__ import annotations

from omegaconf import OmegaConf

from segsr.classes import CLASSES, OST_CATEGORIES, SYNONYMS
from segsr.config import build, packaged_conf
from segsr.vocabularies import MEANINGS


def test_there_are_34_classes():
    assert len(CLASSES) == len(set(CLASSES)) == 34
    assert (CLASSES[0], CLASSES[33]) == ("sky", "boat")


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
