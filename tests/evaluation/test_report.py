import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.gallery import Example, Panel, Section
from segsr.evaluation.report.folder import write_report
from segsr.evaluation.table import Row, Table, Value
from segsr.palette import PALETTE

EVIL = "<script>window.evil = 1</script>\"'><img src=x onerror='window.evil=1'>&amp;{{ 1 }}"


class Page(HTMLParser):
    """What a browser makes of a page: its tags, its texts and the values of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.words += [value or "" for _, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def addresses(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    return set(re.findall(r'(?:src|data-image|data-mask)="([^"]+)"', text))


def test_the_folder_holds_the_page_and_the_images_it_names(tmp_path, section):
    page = write_report(tmp_path / "out" / "report", "Title", [section])
    assert page == tmp_path / "out" / "report" / "index.html"
    files = {str(path.relative_to(page.parent)) for path in page.parent.rglob("*.*")}
    assert files == addresses(page) | {"index.html"}
    assert len(files) == 6  # LQ, HQ, two methods, one mask
    assert [path.name for path in page.parents[1].iterdir()] == ["report"]


def test_the_page_names_no_other_host(tmp_path, section):
    text = write_report(tmp_path / "report", "Title", [section]).read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|wss?:|(src|href)=[\"']?//|url\(|@import", text)


def test_text_is_text_wherever_it_comes_from(tmp_path, section, example):
    def written(name, text):
        note, label = f"note {text}", f"label {text}"
        row = Row(label, {"psnr": Value(1.0, 0.5, 2.0, 0.1)})
        table = Table(f"caption {text}", section.table.columns, (row,), (note,))
        panel = replace(example.panels[1], label=label)
        shown = replace(
            example, name=f"photo {text}", panels=(panel,), values={label: {"psnr": 1.0}}
        )
        sections = [Section(f"set {text}", table, (shown, shown))] * 2
        page = write_report(tmp_path / name, f"title {text}", sections)
        return Page(page.read_text(encoding="utf-8"))

    plain, evil = written("plain", "harmless"), written("evil", EVIL)
    assert plain.tags["script"] == 1
    assert evil.tags == plain.tags
    assert [word.replace(EVIL, "harmless") for word in evil.words] == plain.words
    for kind in ("note", "label", "caption", "photo", "set", "title"):
        assert f"{kind} {EVIL}" in evil.words


def test_the_policy_allows_the_style_and_the_script_that_are_in_the_page(tmp_path, section):
    text = write_report(tmp_path / "report", "Title", [section]).read_text(encoding="utf-8")
    for element in ("style", "script"):
        (inline,) = re.findall(rf"<{element}>(.+?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in text


def test_photographs_are_copied_as_they_are(tmp_path, section, example):
    page = write_report(tmp_path / "report", "Title", [section])
    copied = {path.read_bytes() for path in page.parent.glob("images/0*")}
    panels = [panel.image for panel in example.panels]
    assert copied == {path.read_bytes() for path in [example.lq, example.hq, *panels]}


def test_a_file_that_is_shown_twice_is_copied_once(tmp_path, section, example):
    twice = replace(section, examples=(example, replace(example, name="again")))
    page = write_report(tmp_path / "report", "Title", [twice, twice])
    assert len(list(page.parent.glob("images/*"))) == 5


@pytest.mark.parametrize("name", ["p.tif", "p.bmp"])
def test_what_browsers_do_not_show_becomes_png(tmp_path, picture, section, example, name):
    path = picture(name, (10, 20, 30))
    odd = replace(example, lq=None, hq=None, panels=(Panel("first", path),))
    page = write_report(tmp_path / "report", "Title", [replace(section, examples=(odd,))])
    (address,) = addresses(page)
    with Image.open(page.parent / address) as shown, Image.open(path) as original:
        assert shown.format == "PNG"
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(original))


def test_a_mask_gets_its_colours_and_is_clear_where_no_class_is(tmp_path, section):
    page = write_report(tmp_path / "report", "Title", [section])
    with Image.open(page.parent / "images/mask-00000.png") as mask:
        pixels = np.asarray(mask.convert("RGBA"))
    assert (pixels[:24] == (*PALETTE[CLASSES.index("sky")], 255)).all()
    assert (pixels[24:, :, 3] == 0).all()


def test_the_full_size_is_that_of_the_truth_upright(tmp_path, section, example):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    with Image.open(example.hq) as image:
        image.save(tmp_path / "turned.jpg", exif=exif)
    turned = replace(example, hq=tmp_path / "turned.jpg")
    page = write_report(tmp_path / "report", "Title", [replace(section, examples=(turned,))])
    assert 'data-width="48" data-height="64"' in page.read_text(encoding="utf-8")


def test_an_lq_image_alone_is_shown_enlarged(tmp_path, section, example):
    alone = replace(example, hq=None, panels=())
    page = write_report(tmp_path / "report", "Title", [replace(section, examples=(alone,))])
    assert 'data-width="64" data-height="48"' in page.read_text(encoding="utf-8")


def test_an_example_of_nothing_is_refused(tmp_path, section):
    empty = replace(section, examples=(Example("empty", None, None, (), {}),))
    with pytest.raises(SegSRError, match="empty shows nothing"):
        write_report(tmp_path / "report", "Title", [empty])


def test_a_report_replaces_a_report(tmp_path, section):
    write_report(tmp_path / "report", "Old", [section, section])
    page = write_report(tmp_path / "report", "New", [replace(section, examples=())])
    assert "<title>New</title>" in page.read_text(encoding="utf-8")
    assert not list(page.parent.glob("images/*"))


def test_a_report_that_fails_leaves_the_old_one(tmp_path, section, example):
    page = write_report(tmp_path / "report", "Old", [section])
    before = {path: path.read_bytes() for path in page.parent.rglob("*.*")}
    lost = replace(section, examples=(replace(example, hq=tmp_path / "nowhere.png"),))
    with pytest.raises(SegSRError, match=r"nowhere\.png"):
        write_report(tmp_path / "report", "New", [lost])
    assert {path: path.read_bytes() for path in page.parent.rglob("*.*")} == before
    assert not list(tmp_path.glob(".report*"))


def test_what_is_no_report_is_not_replaced(tmp_path, section):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<title>precious</title>")
    with pytest.raises(SegSRError, match="holds something else"):
        write_report(tmp_path / "report", "Title", [section])
    assert (tmp_path / "report" / "index.html").read_text() == "<title>precious</title>"


def test_figures_that_are_missing_or_infinite_have_words(tmp_path, section, example):
    odd = replace(example, values={"first": {"psnr": np.inf, "lpips": np.nan}})
    page = write_report(tmp_path / "report", "Title", [replace(section, examples=(odd,))])
    text = page.read_text(encoding="utf-8")
    assert '<td data-value="inf">∞</td><td>–</td>' in text  # noqa: RUF001
    assert "nan" not in text


def test_a_relative_folder(tmp_path, section, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert write_report(Path("report"), "Title", [section]) == tmp_path / "here/report/index.html"


def test_no_test_sets_at_all(tmp_path):
    assert write_report(tmp_path / "report", "Title", []).is_file()


def test_a_table_without_photographs(tmp_path, section):
    table = Table("Streets", section.table.columns, ())
    page = write_report(tmp_path / "report", "Title", [Section("Streets", table, ())])
    assert "<tbody></tbody>" in page.read_text(encoding="utf-8")
