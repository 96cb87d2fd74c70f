from pathlib import Path

import pytest

from segsr.errors import SegSRError
from segsr.evaluation.pairing import pair_files


def folder(root: Path, name: str, *files: str) -> Path:
    (root / name).mkdir()
    for file in files:
        (root / name / file).touch()
    return root / name


@pytest.mark.parametrize(
    ("hq", "restored"),
    [
        ("a.png", "a.jpg"),
        ("Canon_001_HR.png", "Canon_001_LR4.png"),
        ("0801.png", "0801x4.png"),
        ("0801.png", "0801x4_out.png"),
        ("img-gt.png", "img_SR.webp"),
        ("Canon_001_HR.png", "Canon_001_LR4_realesrgan-x4plus.png"),
    ],
)
def test_usual_suffixes(tmp_path, hq, restored):
    folders = {
        "restored": folder(tmp_path, "sr", restored, "notes.txt"),
        "hq": folder(tmp_path, "hq", hq),
    }
    found = pair_files(folders)
    assert not found.missing
    assert not found.extra
    (item,) = found.photos
    assert item.name == Path(hq).stem
    assert {role: path.name for role, path in item.files.items()} == {
        "hq": hq,
        "restored": restored,
    }


def test_missing_and_extra_files_are_named(tmp_path):
    folders = {
        "restored": folder(tmp_path, "sr", "a.png", "c.png"),
        "hq": folder(tmp_path, "hq", "a.png", "b.png"),
    }
    found = pair_files(folders)
    assert [item.name for item in found.photos] == ["a"]
    assert found.missing == [f"b.png has no restored image in {tmp_path / 'sr'}"]
    assert found.extra == [f"{tmp_path / 'sr' / 'c.png'} belongs to no image of {tmp_path / 'hq'}"]


def test_ambiguous_suffixes_do_not_match(tmp_path):
    folders = {
        "restored": folder(tmp_path, "sr", "a_out.png", "a_sr.png"),
        "hq": folder(tmp_path, "hq", "a.png"),
    }
    found = pair_files(folders)
    assert not found.photos
    assert len(found.missing) == 1
    assert len(found.extra) == 2


def test_an_exact_stem_beats_a_suffix(tmp_path):
    folders = {
        "restored": folder(tmp_path, "sr", "a.png", "a_out.png"),
        "hq": folder(tmp_path, "hq", "a.png"),
    }
    assert pair_files(folders).photos[0].files["restored"].name == "a.png"


def test_two_references_never_share_a_result(tmp_path):
    folders = {
        "restored": folder(tmp_path, "sr", "a_sr.png"),
        "hq": folder(tmp_path, "hq", "a.png", "a_hr.png"),
    }
    found = pair_files(folders)
    assert [item.name for item in found.photos] == ["a"]
    assert found.missing == [f"a_hr.png has no restored image in {tmp_path / 'sr'}"]


def test_bad_folders(tmp_path):
    with pytest.raises(SegSRError, match="no folder"):
        pair_files({"restored": tmp_path / "none"})
    with pytest.raises(SegSRError, match="holds no image"):
        pair_files({"restored": folder(tmp_path, "empty", "a.txt")})
    with pytest.raises(SegSRError, match="share a stem"):
        pair_files({"restored": folder(tmp_path, "twice", "a.png", "a.jpg")})
