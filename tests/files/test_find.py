import pytest

from segsr.errors import SegSRError
from segsr.files.find import find_by_stem, find_images, read_list
from segsr.files.formats import WRITTEN


def test_images_are_found_by_suffix_in_any_case_and_sorted(tmp_path, picture):
    for name in ("b.PNG", "a.jpg", "c.webp"):
        picture(tmp_path / name)
    for name in (".hidden.png", "notes.txt", "deeper/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg", "b.PNG", "c.webp"]


def test_a_split_lists_stems_or_names_in_its_own_order(tmp_path, picture):
    for i in range(7):
        picture(tmp_path / f"photo.{i}.png")
    split = tmp_path / "train.txt"
    split.write_text("photo.3\n\n# not this one: photo.1\nphoto.0.png\n", encoding="utf-8")
    found = find_images(tmp_path, split)
    assert [path.name for path in found] == ["photo.3.png", "photo.0.png"]


def test_a_list_that_windows_wrote_is_read(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbfa.jpg\r\nb c.jpg \r\n\r\n# d\r\n")
    assert read_list(listed) == ["a.jpg", "b c.jpg"]


def test_a_folder_with_an_image_s_name_is_no_image(tmp_path):
    (tmp_path / "a.ppm").touch()
    (tmp_path / "b.png").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.ppm"]


def test_images_that_share_a_stem_are_named(tmp_path):
    (tmp_path / "a.png").touch()
    assert find_by_stem(tmp_path) == {"a": tmp_path / "a.png"}
    (tmp_path / "a.jpg").touch()
    with pytest.raises(SegSRError, match=r"a\.jpg and a\.png share a stem"):
        find_by_stem(tmp_path)


def test_whatever_is_written_is_found(tmp_path):
    for suffix in WRITTEN:
        (tmp_path / f"a{suffix}").touch()
    assert len(find_images(tmp_path)) == len(WRITTEN)
