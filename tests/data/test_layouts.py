"""Every file of conf/data/ for a published layout reads a small folder in that layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from segsr.config import build, load_recipe
from segsr.data import ImageFolder, PairDataModule
from segsr.errors import SegSRError

PAIRS = {"test_HR/a.png": (64, 48), "test_LR/a.png": (16, 12)}
CATEGORIES = ("animal", "building", "grass", "mountain", "plant", "sky", "water")
OST = {f"{name}/a.png": (40, 40) for name in CATEGORIES}
LAYOUTS = {
    "realsr": (PAIRS, {"test": 1, "predict": 1}),
    "drealsr": (PAIRS, {"test": 1, "predict": 1}),
    "div2k": (
        {"DIV2K_train_HR/0001.png": (64, 48), "DIV2K_valid_HR/0801.png": (64, 64)},
        {"train": 1, "val": 1, "test": 1},
    ),
    "flickr2k": ({"Flickr2K_HR/000001.png": (64, 48)}, {"train": 1}),
    "div8k": ({"train/0001.png": (64, 48)}, {"train": 1}),
    "ost": (
        OST | {"OutdoorSceneTest300/OST_001.png": (64, 48)},
        {"train": 7, "val": 1, "test": 1},
    ),
    "ffhq": ({f"images1024x1024/0000{i}.png": (32, 32) for i in range(3)}, {"train": 3}),
    "reallq250": ({"lq/001.jpg": (16, 17)}, {"predict": 1}),
    "paired": ({"hq/a.png": (64, 48), "lq/a.png": (16, 12)}, {"test": 1, "predict": 1}),
    "stablesr_train": (
        {
            "div2k/DIV2K_train_HR/0001.png": (64, 48),
            "div2k/DIV2K_valid_HR/0801.png": (64, 48),
            "flickr2k/Flickr2K_HR/000001.png": (64, 48),
            "div8k/train/0001.png": (64, 48),
            "ffhq/images1024x1024/00000.png": (64, 48),
        }
        | {f"ost/{name}": size for name, size in OST.items()},
        {"train": 11, "val": 1, "test": 1},
    ),
}


def data_module(name: str, root: Path, *overrides: str) -> PairDataModule:
    settings = [f"data={name}", f"data.root={root}", "data.eval_crop=null", *overrides]
    return build(load_recipe("compact", settings).data)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_layout_is_read(name, tmp_path, picture) -> None:
    files, expected = LAYOUTS[name]
    for file, size in files.items():
        picture(tmp_path / file, *size)
    data = data_module(name, tmp_path, "data.crop_size=16", "data.batch_size=1")
    for stage, count in expected.items():
        loader = getattr(data, f"{stage}_dataloader")()
        found = [data.on_after_batch_transfer(batch) for batch in loader]
        assert len(found) == count
        for batch in found:
            height, width = batch["lq"].shape[-2:]
            if name == "reallq250":
                assert "hq" not in batch
                assert (height, width) == (16, 16)  # whole multiples of 16 HQ pixels
            else:
                assert batch["hq"].shape[-2:] == (4 * height, 4 * width)


def test_other_names_of_the_folders_are_overrides(tmp_path, picture) -> None:
    picture(tmp_path / "hr/a.png", 64, 48)
    picture(tmp_path / "lr/a.png", 16, 12)
    names = ["data.test.0.images=hr", "data.test.0.lq=lr"]
    data = data_module("realsr", tmp_path, *names)
    assert next(iter(data.test_dataloader()))["lq"].shape == (1, 3, 12, 16)


def test_only_the_first_photographs_are_taken(tmp_path, picture) -> None:
    for i in range(5):
        picture(tmp_path / f"{i}.png", 16, 16)
    assert [file.name for file in ImageFolder(first=2).files(tmp_path)] == ["0.png", "1.png"]
    (tmp_path / "list.txt").write_text("4\n0\n2\n")
    chosen = ImageFolder(first=2, split="list.txt").files(tmp_path)
    assert [file.name for file in chosen] == ["4.png", "0.png"]
    with pytest.raises(SegSRError, match="first must be at least 1"):
        ImageFolder(first=0)


def test_lq_photographs_are_no_training_set(tmp_path, picture) -> None:
    picture(tmp_path / "a.png", 16, 16)
    data = PairDataModule(root=tmp_path, train=[ImageFolder(lq_only=True)])
    with pytest.raises(SegSRError, match="training needs photographs of high quality"):
        data.train_dataloader()
    with pytest.raises(SegSRError, match="drop its masks and lq"):
        ImageFolder(lq="lq", lq_only=True)


def test_lq_photographs_keep_their_pixels(tmp_path, picture) -> None:
    from segsr.files.pixels import read_image

    path = picture(tmp_path / "a.png", 19, 14)
    data = PairDataModule(root=tmp_path, predict=[ImageFolder(lq_only=True)])
    (batch,) = [data.on_after_batch_transfer(b) for b in data.predict_dataloader()]
    pixels = read_image(path)
    height, width = batch["lq"].shape[-2:]
    assert (height, width) == (12, 16)
    top, left = (14 - 12) // 2, (19 - 16) // 2
    expected = pixels[:, top : top + height, left : left + width] / 255
    assert float((batch["lq"][0] - expected).abs().max()) < 1e-6
