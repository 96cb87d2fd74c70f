import io
import os
import stat
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import pytest
import skimage.data
import torch
from deep_png import deep_png, deep_samples_of
from PIL import ExifTags, Image, ImageCms, ImageOps
from torch import Tensor

from segsr.errors import SegSRError
from segsr.files.photo import Photo, read_photo, write_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DEEP = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}


@pytest.fixture(scope="module")
def colour() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()[:60, 200:280])  # 80 wide, 60 high


@pytest.fixture(scope="module")
def opacity(colour: Image.Image) -> Image.Image:
    return Image.linear_gradient("L").resize(colour.size)


def as_hwc(image: Tensor) -> npt.NDArray[np.float32]:
    return image.permute(1, 2, 0).numpy()


def deep_samples(channels: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(channels).integers(0, 65536, (20, 31, channels), dtype=np.uint16)


def enlarged(image: Tensor) -> Tensor:
    return image.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)


# Reading

YCBCR = pytest.param(
    "YCbCr",
    marks=pytest.mark.skipif(
        int(PIL.__version__.partition(".")[0]) < 13, reason="Pillow reads such TIFF from 13 on"
    ),
)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK", YCBCR])
def test_every_mode_reads_as_pillow_converts_it(
    mode: str, colour: Image.Image, opacity: Image.Image, tmp_path: Path
) -> None:
    picture = colour.convert("L" if mode == "LA" else "RGB" if mode == "RGBA" else mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(opacity)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "YCbCr") else "photo.png")
    picture.save(path)

    photo = read_photo(path)
    with Image.open(path) as reopened:
        expected = np.asarray(reopened.convert("RGB"))
    np.testing.assert_array_equal((as_hwc(photo.image) * 255).round(), expected)
    assert photo.image.dtype == torch.float32
    assert photo.grey == (mode in ("L", "LA", "1"))
    assert photo.bits == 8
    if mode in ("RGBA", "LA"):
        assert photo.alpha is not None
        np.testing.assert_array_equal((photo.alpha.numpy() * 255).round(), np.asarray(opacity))
    else:
        assert photo.alpha is None


def test_a_palette_with_transparency_has_alpha(colour: Image.Image, tmp_path: Path) -> None:
    indexed = colour.quantize(16)
    indexed.save(tmp_path / "photo.png", transparency=3)
    photo = read_photo(tmp_path / "photo.png")
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha.numpy() == 0, np.asarray(indexed) == 3)
    np.testing.assert_array_equal((as_hwc(photo.image) * 255).round(), indexed.convert("RGB"))


def test_a_transparent_colour_becomes_alpha(colour: Image.Image, tmp_path: Path) -> None:
    clear = colour.getpixel((0, 0))
    colour.save(tmp_path / "photo.png", transparency=clear)
    alpha = read_photo(tmp_path / "photo.png").alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha.numpy() == 0, (np.asarray(colour) == clear).all(-1))


@pytest.mark.parametrize("channels", DEEP, ids=DEEP.values())
def test_16_bit_png_reads_at_full_depth(channels: int, tmp_path: Path) -> None:
    samples = deep_samples(channels)
    (tmp_path / "photo.png").write_bytes(deep_png(samples))
    photo = read_photo(tmp_path / "photo.png")
    assert (photo.bits, photo.grey) == (16, channels < 3)
    grey_or_rgb = samples[..., :3] if channels > 2 else samples[..., :1].repeat(3, axis=2)
    np.testing.assert_array_equal((as_hwc(photo.image) * 65535).round(), grey_or_rgb)
    if channels in (2, 4):
        assert photo.alpha is not None
        np.testing.assert_array_equal((photo.alpha.numpy() * 65535).round(), samples[..., -1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_transparent_colour_becomes_alpha(channels: int, tmp_path: Path) -> None:
    samples = deep_samples(channels)
    samples[3:5, 6:9] = samples[0, 0]
    (tmp_path / "photo.png").write_bytes(deep_png(samples, clear=samples[0, 0]))
    alpha = read_photo(tmp_path / "photo.png").alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha.numpy() == 0, (samples == samples[0, 0]).all(-1))


@pytest.mark.parametrize("suffix", [".tif", ".pgm"])
def test_16_bit_grey_tiff_and_pgm_read_at_full_depth(suffix: str, tmp_path: Path) -> None:
    samples = deep_samples(1)[..., 0]
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(samples).save(path)
    photo = read_photo(path)
    assert (photo.bits, photo.grey) == (16, True)
    np.testing.assert_array_equal((photo.image[0].numpy() * 65535).round(), samples)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_once(
    orientation: int, suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Acme"
    path = tmp_path / f"photo{suffix}"
    colour.save(path, exif=exif)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    photo = read_photo(path)
    np.testing.assert_array_equal((as_hwc(photo.image) * 255).round(), expected)

    write_photo(path, photo.image, like=photo)
    with Image.open(path) as written:
        assert written.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert written.getexif()[ExifTags.Base.Make] == "Acme"
    assert read_photo(path).image.shape == photo.image.shape


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_rotated_16_bit_photo_is_turned_too(orientation: int, tmp_path: Path) -> None:
    samples = deep_samples(3)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (tmp_path / "photo.png").write_bytes(deep_png(samples, exif=exif.tobytes()))
    expected = samples if orientation == 1 else np.rot90(samples, -1)
    found = as_hwc(read_photo(tmp_path / "photo.png").image)
    np.testing.assert_array_equal((found * 65535).round(), expected)


def test_cmyk_profile_is_used_and_not_kept(
    colour: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def convert(image: Image.Image, profile: io.BytesIO, *_: object, outputMode: str) -> object:
        asked.append(profile.read())
        return image.convert(outputMode)

    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    colour.convert("CMYK").save(tmp_path / "photo.jpg", icc_profile=b"a press profile")
    assert read_photo(tmp_path / "photo.jpg").icc is None
    assert asked == [b"a press profile"]


def test_a_broken_cmyk_profile_is_no_reason_to_fail(colour: Image.Image, tmp_path: Path) -> None:
    colour.convert("CMYK").save(tmp_path / "photo.jpg", icc_profile=b"broken")
    assert read_photo(tmp_path / "photo.jpg").image.shape == (3, 60, 80)


def test_exif_that_cannot_be_stored_again_is_dropped_with_a_warning(
    colour: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    colour.save(tmp_path / "photo.jpg", exif=exif)

    def fail(self: Image.Exif, offset: int = 8) -> bytes:
        raise struct.error("bad tag")

    monkeypatch.setattr(Image.Exif, "tobytes", fail)
    with pytest.warns(UserWarning, match=r"photo\.jpg: its EXIF is damaged and not kept"):
        assert read_photo(tmp_path / "photo.jpg").exif is None


# Writing


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".bmp", ".ppm"])
def test_lossless_formats_give_the_pixels_back(
    suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    colour.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png")
    write_photo(tmp_path / f"out{suffix}", photo.image)
    assert torch.equal(read_photo(tmp_path / f"out{suffix}").image, photo.image)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_give_almost_the_pixels_back(
    suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    colour.save(tmp_path / "photo.png")
    image = read_photo(tmp_path / "photo.png").image
    path = tmp_path / f"out{suffix}"
    write_photo(path, image)
    assert (read_photo(path).image - image).abs().mean() < 0.02
    if suffix != ".webp":
        with Image.open(path) as written:
            reference = io.BytesIO()
            colour.save(reference, "JPEG", quality=95, subsampling="4:4:4")
            assert written.quantization == Image.open(reference).quantization


def test_values_outside_the_range_are_clipped_and_rounded(tmp_path: Path) -> None:
    image = torch.tensor([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 3.0]).expand(3, 1, 6)
    write_photo(tmp_path / "out.png", image)
    with Image.open(tmp_path / "out.png") as written:
        assert np.asarray(written)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("bits", [8, 16])
def test_metadata_survives(bits: int, suffix: str, colour: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 80
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    source = tmp_path / "photo.png"
    if bits == 8:
        colour.save(source, exif=exif, icc_profile=SRGB)
    else:
        source.write_bytes(deep_png(deep_samples(3), exif=exif.tobytes(), icc=SRGB))
    photo = read_photo(source)
    path = tmp_path / f"out{suffix}"
    write_photo(path, enlarged(photo.image), like=photo)
    with Image.open(path) as written:
        kept = written.getexif()
        assert kept[ExifTags.Base.Make] == "Acme"
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        width = kept.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ExifImageWidth, written.width)
        assert width == written.width != 80
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert written.info["icc_profile"] == SRGB


def test_storage_tags_of_a_tiff_do_not_reach_the_new_file(
    colour: Image.Image, tmp_path: Path
) -> None:
    colour.save(tmp_path / "photo.tif", compression="tiff_lzw", description="a portrait")
    photo = read_photo(tmp_path / "photo.tif")
    for name in ("out.jpg", "out.tif"):
        write_photo(tmp_path / name, enlarged(photo.image), like=photo)
        assert read_photo(tmp_path / name).image.shape == (3, 240, 320)
        with Image.open(tmp_path / name) as written:
            assert written.getexif()[ExifTags.Base.ImageDescription] == "a portrait"
    with Image.open(tmp_path / "out.jpg") as written:
        assert set(written.getexif()) <= {
            ExifTags.IFD.Exif,
            ExifTags.Base.Orientation,
            ExifTags.Base.ImageDescription,
            ExifTags.Base.XResolution,
            ExifTags.Base.YResolution,
            ExifTags.Base.ResolutionUnit,
        }


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("grey", [False, True])
def test_alpha_is_enlarged_with_the_image(
    grey: bool, suffix: str, colour: Image.Image, opacity: Image.Image, tmp_path: Path
) -> None:
    picture = colour.convert("L") if grey else colour.copy()
    picture.putalpha(opacity)
    picture.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png")
    path = tmp_path / f"out{suffix}"
    write_photo(path, enlarged(photo.image), like=photo)
    result = read_photo(path)
    assert result.alpha is not None
    expected = opacity.resize((320, 240), Image.Resampling.BICUBIC)
    # Pillow's bicubic has a = -0.5, PyTorch's antialiased one too.
    np.testing.assert_allclose(result.alpha.numpy() * 255, np.asarray(expected), atol=1.01)
    assert result.grey == (grey and suffix != ".webp")  # WebP knows no grey


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".ppm"])
def test_formats_without_alpha_are_flattened_onto_white(suffix: str, tmp_path: Path) -> None:
    half = Photo(torch.zeros(3, 16, 16), alpha=torch.full((16, 16), 0.25))
    write_photo(tmp_path / f"out{suffix}", half.image, like=half)
    result = read_photo(tmp_path / f"out{suffix}")
    assert result.alpha is None
    torch.testing.assert_close(result.image, torch.full((3, 16, 16), 0.75), atol=3e-3, rtol=0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".ppm", ".pgm"])
def test_grey_stays_grey(suffix: str, colour: Image.Image, tmp_path: Path) -> None:
    photo = Photo(torch.zeros(3, 60, 80), grey=True)
    colour.save(tmp_path / "photo.png")
    restored = read_photo(tmp_path / "photo.png").image  # a network may tint what was grey
    path = tmp_path / f"out{suffix}"
    write_photo(path, restored, like=photo)
    with Image.open(path) as written:
        assert written.mode == "L"
        expected = np.asarray(colour.convert("L"))
        atol = 15 if suffix == ".jpg" else 1
        np.testing.assert_allclose(np.asarray(written).astype(int), expected, atol=atol)


def test_a_colour_profile_of_other_channels_is_not_attached(tmp_path: Path) -> None:
    grey_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    for grey, icc in ((True, SRGB), (False, grey_profile)):
        write_photo(
            tmp_path / "out.png",
            torch.zeros(3, 9, 9),
            Photo(torch.zeros(3, 9, 9), icc=icc, grey=grey),
        )
        assert read_photo(tmp_path / "out.png").icc is None
    write_photo(
        tmp_path / "out.png",
        torch.zeros(3, 9, 9),
        Photo(torch.zeros(3, 9, 9), icc=grey_profile, grey=True),
    )
    assert read_photo(tmp_path / "out.png").icc == grey_profile


@pytest.mark.parametrize("channels", DEEP, ids=DEEP.values())
def test_16_bit_png_stays_16_bit(channels: int, tmp_path: Path) -> None:
    samples = deep_samples(channels)
    (tmp_path / "photo.png").write_bytes(deep_png(samples))
    photo = read_photo(tmp_path / "photo.png")
    write_photo(tmp_path / "out.png", photo.image, like=photo)
    written = deep_samples_of((tmp_path / "out.png").read_bytes())
    off = np.abs(written.astype(int) - samples.astype(int)).max()
    assert off <= 1  # the weights of luma round


@pytest.mark.parametrize("suffix", [".tif", ".pgm"])
def test_16_bit_grey_tiff_and_pgm_stay_16_bit(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(deep_samples(1)[..., 0]).save(tmp_path / f"photo{suffix}")
    photo = read_photo(tmp_path / f"photo{suffix}")
    write_photo(tmp_path / f"out{suffix}", photo.image, like=photo)
    result = read_photo(tmp_path / f"out{suffix}")
    assert result.bits == 16
    torch.testing.assert_close(result.image, photo.image, atol=2e-5, rtol=0)


def test_16_bits_are_rounded_where_the_format_has_eight(tmp_path: Path) -> None:
    deep = Photo(torch.rand(3, 9, 9), bits=16)
    write_photo(tmp_path / "out.bmp", deep.image, like=deep)
    assert read_photo(tmp_path / "out.bmp").bits == 8


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_quality_is_that_of_lossy_formats(suffix: str, colour: Image.Image, tmp_path: Path) -> None:
    image = torch.from_numpy(np.asarray(colour).transpose(2, 0, 1).copy())
    sizes = []
    for quality in (20, 60, 95, None):
        write_photo(tmp_path / f"out{suffix}", image, quality=quality)
        sizes.append((tmp_path / f"out{suffix}").stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2] == sizes[3]


def test_quality_leaves_lossless_formats_alone(colour: Image.Image, tmp_path: Path) -> None:
    image = torch.from_numpy(np.asarray(colour).transpose(2, 0, 1).copy())
    write_photo(tmp_path / "out.png", image, quality=1)
    with Image.open(tmp_path / "out.png") as written:
        np.testing.assert_array_equal(np.asarray(written), np.asarray(colour))


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_is_none_is_refused(quality: int, tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=rf"out\.jpg: quality {quality} is none: give a number"):
        write_photo(tmp_path / "out.jpg", torch.zeros(3, 9, 9), quality=quality)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=r"out\.gif: unknown image format '\.gif'\. Use one of"):
        write_photo(tmp_path / "out.gif", torch.zeros(3, 9, 9))


def test_colours_are_no_pgm(tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=r"out\.pgm: PGM holds grey alone\. Write colours as"):
        write_photo(tmp_path / "out.pgm", torch.zeros(3, 9, 9))


def test_a_picture_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=r"wide\.webp: WEBP cannot hold this picture"):
        write_photo(tmp_path / "wide.webp", torch.zeros(3, 2, 16400))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.png"
    write_photo(path, torch.ones(3, 9, 9))
    before = path.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SegSRError, match=r"out\.png: cannot be written \(No space left"):
        write_photo(path, torch.zeros(3, 9, 9))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    with pytest.raises(SegSRError, match=r"out\.png: cannot be written"):
        write_photo(tmp_path / "folder" / "out.png", torch.zeros(3, 9, 9))


def test_new_files_have_the_usual_permissions_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out.png"
    write_photo(path, torch.zeros(3, 9, 9))
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
