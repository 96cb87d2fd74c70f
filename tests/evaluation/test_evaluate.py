import json

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.evaluation.evaluate import RECORDS, evaluate_folders
from segsr.evaluation.records import read_records
from segsr.evaluation.summary import difference, summarise
from segsr.files.photo import Photo, write_photo
from segsr.metrics.agreement import MaskAgreement
from segsr.metrics.fidelity import Psnr, Ssim
from segsr.metrics.restoration import psnr_y

NODES = {"psnr": "a", "ssim": "b", "mask": "c"}


@pytest.fixture
def folders(tmp_path):
    """Six pairs, of two sizes."""
    draw = np.random.default_rng(0)
    for i in range(6):
        size = (40, 48, 3) if i % 3 else (32, 32, 3)
        hq = draw.integers(0, 256, size)
        sr = (hq + draw.normal(0, 10, size)).clip(0, 255).round()
        for role, pixels in (("hq", hq), ("sr", sr)):
            path = tmp_path / role / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return {"restored": tmp_path / "sr", "hq": tmp_path / "hq"}


class Counting(Psnr):
    """PSNR that notes how many images it was asked about."""

    asked = 0

    def __call__(self, images):
        type(self).asked += len(images["hq"])
        return super().__call__(images)


def evaluate(folders, tmp_path, metrics=None, settings=NODES, **options):
    metrics = metrics or {"psnr": Psnr(), "ssim": Ssim()}
    return evaluate_folders(folders, metrics, settings, tmp_path / "out", **options)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_image_once_whatever_the_batch(folders, tmp_path, batch_size):
    found = evaluate(folders, tmp_path, batch_size=batch_size)
    assert not found.problems
    assert found.expected == 6
    for name, record in found.records.items():
        pair = [
            torch.from_numpy(np.array(Image.open(folders[role] / f"{name}.png"))).permute(2, 0, 1)
            for role in ("restored", "hq")
        ]
        sr, hq = (image[None] / 255 for image in pair)
        assert record.values["psnr"] == pytest.approx(float(psnr_y(sr, hq)), abs=1e-4)
    lines = (tmp_path / "out" / RECORDS).read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [str(i) for i in range(6)]


def test_a_rerun_measures_only_what_is_new(folders, tmp_path):
    Counting.asked = 0
    metrics = {"psnr": Counting()}
    first = evaluate(folders, tmp_path, metrics)
    assert Counting.asked == 6
    assert evaluate(folders, tmp_path, metrics).records == first.records
    assert Counting.asked == 6
    image = Image.open(folders["restored"] / "3.png").transpose(Image.Transpose.ROTATE_180)
    image.save(folders["restored"] / "3.png")
    again = evaluate(folders, tmp_path, {**metrics, "ssim": Ssim()})
    assert Counting.asked == 7
    assert again.records["3"].values["psnr"] < first.records["3"].values["psnr"] - 5
    assert all("ssim" in record.values for record in again.records.values())


def test_other_settings_measure_again(folders, tmp_path):
    evaluate(folders, tmp_path, {"psnr": Psnr()})
    found = evaluate(folders, tmp_path, {"psnr": Psnr(crop_border=4)}, {"psnr": "border 4"})
    fresh = evaluate_folders(
        folders, {"psnr": Psnr(crop_border=4)}, {"psnr": "border 4"}, tmp_path / "fresh"
    )
    assert found.records == fresh.records


def test_a_killed_runs_last_line_is_measured_again(folders, tmp_path):
    whole = evaluate(folders, tmp_path)
    path = tmp_path / "out" / RECORDS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:40])
    assert evaluate(folders, tmp_path).records == whole.records


def test_bad_images_are_reported_and_the_rest_goes_on(folders, tmp_path):
    sr = folders["restored"]
    (sr / "0.png").write_bytes((sr / "0.png").read_bytes()[:200])
    Image.open(sr / "1.png").resize((20, 20)).save(sr / "1.png")
    rgba = np.dstack([np.array(Image.open(sr / "2.png")), np.full((40, 48), 128, np.uint8)])
    Image.fromarray(rgba).save(sr / "2.png")
    (sr / "3.png").unlink()
    found = evaluate(folders, tmp_path)
    assert list(found.records) == ["4", "5"]
    assert found.expected == 6
    text = "\n".join(found.problems)
    assert "3.png has no restored" in text
    assert "0.png is not a readable image (damaged" in text
    assert "1.png is 20x20, but" in text
    assert "2.png is transparent" in text
    assert len(found.problems) == 4


def test_sixteen_bits_and_opaque_alpha_are_measured(folders, tmp_path):
    expected = evaluate(folders, tmp_path)
    sr = folders["restored"]
    pixels = np.array(Image.open(sr / "1.png"))
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    write_photo(sr / "1.png", image, Photo(image, bits=16))
    opaque = np.dstack([np.array(Image.open(sr / "2.png")), np.full((40, 48), 255, np.uint8)])
    Image.fromarray(opaque).save(sr / "2.png")
    found = evaluate(folders, tmp_path)
    assert not found.problems
    for name in ("1", "2"):
        assert found.records[name].values == expected.records[name].values


def test_a_metric_that_fails_on_one_image_spares_the_others(folders, tmp_path):
    class Picky(Psnr):
        def __call__(self, images):
            if images["hq"].mean() > 0.503:
                raise MemoryError("too bright")
            return super().__call__(images)

    found = evaluate(folders, tmp_path, {"psnr": Picky(), "ssim": Ssim()})
    lost = [name for name, record in found.records.items() if "psnr" not in record.values]
    assert 0 < len(lost) < 6
    assert len(found.problems) == len(lost)
    assert all("no psnr (MemoryError: too bright)" in problem for problem in found.problems)
    assert all("ssim" in record.values for record in found.records.values())


def test_identity_does_not_depend_on_names_or_formats(folders, tmp_path):
    first = evaluate(folders, tmp_path)
    for path in list(folders["hq"].iterdir()):
        Image.open(path).save(path.with_name(f"{path.stem}_HR.bmp"))
        path.unlink()
    again = evaluate_folders(folders, {"psnr": Psnr()}, NODES, tmp_path / "other")
    assert again.digests == first.digests
    Image.open(folders["hq"] / "0_HR.bmp").rotate(180).save(folders["hq"] / "0_HR.bmp")
    assert (
        evaluate_folders(folders, {"psnr": Psnr()}, NODES, tmp_path / "o").digests != first.digests
    )


def test_masks_with_a_data_sets_own_labels(tmp_path):
    for role, value in (("mask", 3), ("label", 1)):
        (tmp_path / role).mkdir()
        pixels = np.full((8, 8), value, np.uint8)
        pixels[0] = 0
        Image.fromarray(pixels).save(tmp_path / role / "a.png")
    found = evaluate_folders(
        {"mask": tmp_path / "mask", "label": tmp_path / "label"},
        {"mask": MaskAgreement()},
        NODES,
        tmp_path / "out",
        label_map={1: 3},
    )
    figures = summarise(found.records, MaskAgreement().columns)
    assert figures["mask_acc"].mean == 1.0
    assert found.records["a"].values["masks"]["cells"] == [[3, 3, 56]]


def test_summary_is_numpys_and_differences_are_paired(folders, tmp_path):
    found = evaluate(folders, tmp_path)
    (column,) = Psnr().columns
    values = [record.values["psnr"] for record in found.records.values()]
    figure = summarise(found.records, [column])["psnr"]
    assert figure.mean == pytest.approx(np.mean(values))
    assert figure.std == pytest.approx(np.std(values, ddof=1))
    assert figure.low < figure.mean < figure.high
    better = read_records(tmp_path / "out" / RECORDS)
    for record in better.values():
        record.values["psnr"] += 0.5
    step = difference(better, found.records, column)
    assert step == pytest.approx((0.5, 0.5, 0.5))
    assert difference({}, found.records, column) is None
