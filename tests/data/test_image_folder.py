from __future__ import annotations

import pytest

from segsr.data import ImageFolder
from segsr.errors import SegSRError


def test_masks_and_lq_share_the_stem(tmp_path, picture):
    image = picture(tmp_path / "set/hr/a.webp")
    lq = picture(tmp_path / "set/lr/a.png", 12, 10)
    mask = picture(tmp_path / "set/gt/a_ids.png", labels=3)
    source = ImageFolder("set", "hr", masks="gt", lq="lr", mask_suffix="_ids", class_map={0: 1})
    (files,) = source.files(tmp_path)
    assert (files.image, files.mask, files.lq) == (image, mask, lq)
    assert files.name == "a.webp"
    assert files.class_map == {0: 1}
    files.check()


def test_an_absolute_root_stands_for_itself(folder):
    assert len(ImageFolder(folder, "images").files("/elsewhere")) == 7


def test_a_missing_mask_is_named(folder):
    (folder / "labels/photo.2.png").unlink()
    files = ImageFolder(folder, "images", "labels").files()
    with pytest.raises(SegSRError, match=r"images/photo\.2\.png has no mask: add .*photo\.2\.png"):
        files[2].check()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"images": "nowhere"}, "no folder .*nowhere: check"),
        ({"images": "."}, "holds no image"),
        ({"images": "images", "masks": "empty"}, "no folder .*empty"),
        ({"images": "images", "split": "none.txt"}, "none.txt cannot be read"),
        ({"images": "images", "split": "wrong.txt"}, r"wrong.txt lists photo\.9, which is not in"),
        ({"images": "images", "split": "blank.txt"}, "blank.txt names no image"),
        ({"images": "images", "masks": "twins"}, "share a stem"),
    ],
)
def test_folders_that_cannot_be_used(folder, picture, source, message):
    (folder / "wrong.txt").write_text("photo.9\n", encoding="utf-8")
    (folder / "blank.txt").write_text("\n", encoding="utf-8")
    picture(folder / "twins/a.png")
    picture(folder / "twins/a.jpg")
    with pytest.raises(SegSRError, match=message):
        ImageFolder(folder, **source).files()
