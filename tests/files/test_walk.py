"""Folders are searched with all that is below them, once, whatever links do."""

import os
from pathlib import Path

import pytest

from segsr.errors import SegSRError
from segsr.files.walk import find_photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def places(found) -> list[str]:
    return [str(photo.folder / photo.path.name) for photo in found.photos]


def test_a_tree_is_searched_and_the_rest_is_counted(tmp_path):
    touch(tmp_path, "b.JPG", "a.png", "trip/day 1/c.webp", "trip/d.pgm", "empty/notes.txt")
    touch(
        tmp_path, "film.MOV", "trip/film.mov", "README", ".hidden.png", ".thumbs/e.png", "._a.png"
    )
    (tmp_path / "trip.png").mkdir()
    touch(tmp_path / "trip.png", "f.png")
    found = find_photos([tmp_path])
    assert places(found) == [
        "a.png",
        "b.JPG",
        "trip/d.pgm",
        "trip/day 1/c.webp",
        "trip.png/f.png",
    ]
    assert found.ignored == {".mov": 2, ".txt": 1, "without a suffix": 1}
    assert not found.unread


def test_files_are_taken_whatever_their_suffix_and_each_once(tmp_path):
    touch(tmp_path, "scan.raw", "c.webp", "deep/a.png")
    found = find_photos([tmp_path / "scan.raw", tmp_path / "deep/a.png", str(tmp_path)])
    assert places(found) == ["scan.raw", "a.png", "c.webp"]
    assert found.ignored == {".raw": 1}


def test_what_is_to_be_left_out_is_not_searched(tmp_path):
    touch(tmp_path, "a.png", "out/a.png", "out/deep/b.png")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert places(find_photos([tmp_path], leave_out=[tmp_path / "out"])) == ["a.png"]
    assert places(find_photos([tmp_path], leave_out=[tmp_path / "not there"]))[0] == "a.png"
    with pytest.raises(SegSRError, match="give another folder for the results"):
        find_photos([tmp_path / "out"], leave_out=[tmp_path / "link"])


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "elsewhere/album/x.png", "outside.png", "photos/z/own/a.png", "photos/b.png")
    photos = tmp_path / "photos"
    (photos / "album").symlink_to(tmp_path / "elsewhere/album")
    (photos / "again").symlink_to(photos / "z/own")
    (photos / "up").symlink_to("..")
    (photos / "z/own/self").symlink_to(".")
    (photos / "z/root").symlink_to(photos)
    (photos / "me").symlink_to("me")
    (photos / "me.png").symlink_to("me.png")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    found = find_photos([photos])
    assert places(found) == ["b.png", "gone.jpg", "me.png", "album/x.png", "z/own/a.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_photograph(tmp_path):
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert places(find_photos([tmp_path])) == ["a.png"]


def test_a_folder_that_cannot_be_searched_is_named_and_the_rest_is_found(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "closed/b.png")
    listdir = os.listdir

    def refuse(folder):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    found = find_photos([tmp_path])
    assert places(found) == ["a.png"]
    assert "Permission denied" in found.unread[tmp_path / "closed"]


def test_a_missing_path_and_a_folder_without_images_are_named(tmp_path):
    with pytest.raises(SegSRError, match=r"no file or folder .*nowhere"):
        find_photos([tmp_path / "nowhere"])
    touch(tmp_path, "deep/notes.txt")
    with pytest.raises(SegSRError, match="holds no image"):
        find_photos([tmp_path])
