"""Photographs held out by rule, and photographs of which nothing is known."""

import pytest
import torch

from segsr.batch import UNKNOWN_INDEX
from segsr.data import ImageFolder, MaskedPairDataModule
from segsr.data.read import read_sample
from segsr.errors import SegSRError


@pytest.fixture
def folder(tmp_path, picture):
    for i in range(11):
        picture(tmp_path / "images" / f"{i:02}.png")
    return tmp_path


def names(source: ImageFolder) -> list[str]:
    return [file.name for file in source.files()]


def test_a_part_and_the_rest(folder) -> None:
    held, rest = (
        names(ImageFolder(folder, "images", **options))
        for options in ({"every": 5}, {"without_every": 5})
    )
    assert held == ["00.png", "05.png", "10.png"]
    assert sorted(held + rest) == names(ImageFolder(folder, "images"))
    assert names(ImageFolder(folder, "images", without_every=5, first=2)) == ["01.png", "02.png"]


def test_the_order_of_a_split_counts_and_first_comes_last(folder) -> None:
    (folder / "split.txt").write_text("\n".join(f"{i:02}" for i in reversed(range(11))))
    held, rest, both = (
        names(ImageFolder(folder, "images", split="split.txt", **options))
        for options in (
            {"every": 5, "first": 2},
            {"without_every": 5, "first": 2},
            {"every": 2, "without_every": 2},
        )
    )
    assert held == ["10.png", "05.png"]
    assert rest == ["09.png", "08.png"]
    assert both == ["08.png", "04.png", "00.png"]


def test_a_coarser_rule_takes_a_part_of_what_a_finer_one_takes(folder) -> None:
    coarse, fine = (names(ImageFolder(folder, "images", every=n)) for n in (4, 2))
    assert set(coarse) < set(fine)


def test_unknown_photographs_train_without_labels(folder) -> None:
    data = MaskedPairDataModule(
        train=[ImageFolder(folder, "images", unknown=True)], crop_size=32, batch_size=2
    )
    batch = next(iter(data.train_dataloader()))
    assert (batch["mask"] == UNKNOWN_INDEX).all()
    file = ImageFolder(folder, "images", unknown=True).files()[0]
    assert read_sample(file).mask.dtype == torch.uint8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be at least 1"),
        ({"without_every": -1}, "without_every must be at least 1"),
        ({"unknown": True, "masks": "labels"}, "unknown=true has no labels"),
    ],
)
def test_what_makes_no_sense(options, message) -> None:
    with pytest.raises(SegSRError, match=message):
        ImageFolder(**options)
