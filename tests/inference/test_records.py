"""Results remember how they were made: what is the same is kept, what differs is told."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tiny
from PIL import Image

from segsr.errors import SegSRError
from segsr.inference.again import repeat
from segsr.inference.records import Source, as_json, differences, read_record, record_of
from segsr.inference.save import versions
from segsr.inference.settings import Settings
from segsr.inference.upscale import upscale_files
from segsr.model.options import SamplingOptions


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny.joint(seed=1).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def photo(tmp_path, picture):
    return picture(tmp_path / "photo.jpg", 12, 10)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def only(summary):
    (outcome,) = summary.outcomes
    return outcome


def content(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


def test_a_record_says_how_a_result_was_made(model, photo, out) -> None:
    settings = Settings(SamplingOptions(steps=1), seed=5)
    upscale_files([photo], out, settings, model=model)
    record = read_record(out / "photo.png")
    sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
    assert record.making.photo == Source(str(photo), sha256)
    assert record.making.settings == as_json(settings)
    assert record.making.settings["options"]["steps"] == 1
    assert record.result.sha256 == hashlib.sha256((out / "photo.png").read_bytes()).hexdigest()
    assert record.mask.name == "masks/photo.png"
    assert (record.photo_size, record.result_size) == ((12, 10), (48, 40))
    assert record.versions == versions()
    assert sorted(path.name for path in (out / ".segsr").iterdir()) == ["photo.png.json"]


def test_what_is_the_same_is_kept(model, photo, out) -> None:
    upscale_files([photo], out, model=model)
    before = (out / "photo.png").stat().st_mtime_ns
    for overwrite in (False, True):
        summary = upscale_files([photo], out, model=model, overwrite=overwrite)
        assert summary.skipped == [photo]
        assert only(summary).result_size == (48, 40)
    shutil.copytree(out, out.parent / "copy", copy_function=shutil.copyfile)  # at another time
    assert upscale_files([photo], out.parent / "copy", model=model).skipped == [photo]
    assert (out / "photo.png").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"options": SamplingOptions(steps=3)}, "steps default -> 3"),
        ({"options": SamplingOptions(guidance=0)}, "guidance 1.0 -> 0"),
        ({"seed": 9}, "seed 0 -> 9"),
        ({"tile": 512}, "tile auto -> 512"),
        ({"quality": 20}, "quality default -> 20"),
    ],
)
def test_what_differs_is_neither_kept_silently_nor_overwritten(
    change, reason, model, photo, out
) -> None:
    upscale_files([photo], out, model=model)
    before = content(out)
    assert upscale_files([photo], out, model=model, **change).differing == {photo: reason}
    assert content(out) == before
    summary = upscale_files([photo], out, model=model, overwrite=True, **change)
    assert summary.restored == [photo]
    assert upscale_files([photo], out, model=model, **change).skipped == [photo]


def test_another_photograph_model_or_mask_differs(model, photo, out, tmp_path, picture) -> None:
    upscale_files([photo], out, model=model)

    def reason(*, photo=photo, model=model, **more):
        return only(upscale_files([photo], out, model=model, **more)).reason

    network = tiny.joint(seed=2)
    network.save_pretrained(tmp_path / "other")
    assert reason(model=str(tmp_path / "other")) == f"model {model} -> {tmp_path / 'other'}"
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((10, 12), 4, np.uint8)).save(mask)
    assert reason(mask=mask) == f"mask none -> {mask}"
    elsewhere = picture(tmp_path / "elsewhere" / "photo.png", 12, 10)
    assert reason(photo=elsewhere) == f"made from {photo}"
    picture(photo, 11, 10)
    assert reason() == "the photograph has changed"
    shutil.copytree(model, tmp_path / "model")
    upscale_files([photo], tmp_path / "o", model=str(tmp_path / "model"))
    network.save_pretrained(tmp_path / "model")
    changed = only(upscale_files([photo], tmp_path / "o", model=str(tmp_path / "model")))
    assert changed.reason == "the model has changed"


def test_a_mask_that_was_handed_in_and_changed_differs(model, photo, out, tmp_path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((10, 12), 4, np.uint8)).save(mask)
    upscale_files([photo], out, model=model, mask=mask)
    assert upscale_files([photo], out, model=model, mask=mask).skipped == [photo]
    Image.fromarray(np.full((10, 12), 5, np.uint8)).save(mask)
    changed = only(upscale_files([photo], out, model=model, mask=mask))
    assert changed.reason == "the mask has changed"


def test_a_file_that_nobody_can_make_again_is_left_alone(model, photo, out) -> None:
    upscale_files([photo], out, model=model)
    for path in (out / "photo.png", out / "masks" / "photo.png"):
        kept = path.read_bytes()
        path.write_bytes(b"mine")
        outcome = only(upscale_files([photo], out, model=model))
        assert outcome.status == "differs"
        assert "was changed after it was made" in outcome.reason
        assert path.read_bytes() == b"mine"
        path.write_bytes(kept)
    record_of(out / "photo.png").unlink()
    outcome = only(upscale_files([photo], out, model=model))
    assert (outcome.status, outcome.reason[:11]) == ("differs", "it is there")
    (out / "photo.png").unlink()
    assert "no record says how it was made" in only(upscale_files([photo], out, model=model)).reason


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1}',
        b"\xff\xfe",
        b'{"format": 2}',
        b'{"format": "x"}',
        b"[" * 100000,
    ],
)
def test_a_damaged_record_is_reported_as_one_that_differs(damage, model, photo, out) -> None:
    upscale_files([photo], out, model=model)
    before = content(out)
    record_of(out / "photo.png").write_bytes(damage)
    summary = upscale_files([photo], out, model=model)
    assert "its record" in summary.differing[photo]
    assert content(out) == before
    with pytest.raises(SegSRError, match="cannot be repeated"):
        repeat(out / "photo.png")
    assert upscale_files([photo], out, model=model, overwrite=True).restored == [photo]
    assert upscale_files([photo], out, model=model).skipped == [photo]


def test_what_is_missing_is_made(model, photo, out) -> None:
    upscale_files([photo], out, model=model, masks=False)
    assert list(content(out)) == ["photo.png"]
    assert upscale_files([photo], out, model=model, masks=False).skipped == [photo]
    assert upscale_files([photo], out, model=model).restored == [photo]
    whole = content(out)
    assert list(whole) == ["masks/photo.png", "photo.png"]
    for name in whole:
        (out / name).unlink()
        assert upscale_files([photo], out, model=model).restored == [photo]
        assert content(out) == whole


@pytest.mark.parametrize("moment", ["write_record", "_move"])
def test_a_kill_between_picture_and_record_leaves_nothing_false(
    moment, model, photo, out, monkeypatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"segsr.inference.save.{moment}", kill)
        with pytest.raises(Killed):
            upscale_files([photo], out, model=model)
    assert content(out) == {}
    assert upscale_files([photo], out, model=model).restored == [photo]
    whole = content(out)
    with monkeypatch.context() as patch:
        patch.setattr(f"segsr.inference.save.{moment}", kill)
        with pytest.raises(Killed):
            upscale_files([photo], out, model=model, seed=1, overwrite=True)
    assert content(out) == whole
    assert upscale_files([photo], out, model=model, seed=1).differing
    assert upscale_files([photo], out, model=model, seed=1, overwrite=True).restored == [photo]


def test_settings_are_compared_one_by_one(model, photo, out) -> None:
    upscale_files([photo], out, model=model)
    was = read_record(out / "photo.png").making
    later = {**was.settings, "sharpness": {"amount": 2}, "seed": 1}
    changed = type(was)(was.photo, was.model, was.mask, later)
    assert differences(was, changed) == ["seed 0 -> 1", "amount not recorded -> 2"]


def test_a_result_is_repeated_to_the_byte(model, photo, out, tmp_path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((10, 12), 4, np.uint8)).save(mask)
    settings = Settings(SamplingOptions(steps=1, guidance=2), seed=5, format="webp", quality=70)
    upscale_files([photo], out, settings, model=model, mask=mask)
    before = content(out)
    assert repeat(out / "photo.webp", tmp_path / "again").restored == [photo]
    assert content(tmp_path / "again") == before
    assert (
        read_record(tmp_path / "again/photo.webp").making == read_record(out / "photo.webp").making
    )
    (out / "photo.webp").unlink()
    assert repeat(out / "photo.webp").restored == [photo]
    assert content(out) == before
    moved = photo.rename(tmp_path / "moved.jpeg")  # the noise is still that of the old name
    assert repeat(out / "photo.webp", tmp_path / "moved", photo=moved).restored == [moved]
    assert content(tmp_path / "moved") == before


def test_a_result_is_not_repeated_from_something_else(model, photo, out, tmp_path, picture) -> None:
    upscale_files([photo], out, model=model)
    with pytest.raises(SegSRError, match="no record says how"):
        repeat(photo)
    (out / "photo.png").write_bytes(b"mine")
    assert repeat(out / "photo.png").differing
    assert (out / "photo.png").read_bytes() == b"mine"
    assert repeat(out / "photo.png", overwrite=True).restored == [photo]
    with pytest.raises(SegSRError, match=r"model .* is not the one of the record"):
        repeat(out / "photo.png", model="compact")
    picture(photo, 11, 10)
    with pytest.raises(SegSRError, match="is not the one of the record, its content has changed"):
        repeat(out / "photo.png")
    photo.unlink()
    with pytest.raises(SegSRError, match=r"photograph .*photo.jpg is gone: name where it is"):
        repeat(out / "photo.png")


def test_settings_of_another_version_are_not_guessed(model, photo, out) -> None:
    upscale_files([photo], out, model=model)
    path = record_of(out / "photo.png")
    record = json.loads(path.read_text())
    del record["making"]["settings"]["seed"]
    record["versions"]["segsr"] = "9.9"
    path.write_text(json.dumps(record))
    with pytest.raises(SegSRError, match=r"\(seed not in both\): use segsr 9\.9"):
        repeat(out / "photo.png")
