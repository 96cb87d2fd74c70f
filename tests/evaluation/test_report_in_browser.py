"""The report in a headless Chromium: what a reader clicks does what it says."""

import io
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

from segsr.classes import CLASSES
from segsr.evaluation.report.folder import write_report
from segsr.evaluation.table import Row, Table, Value
from segsr.palette import PALETTE

EVIL = "<script>window.evil = 1</script>\"'><img src=x onerror='window.evil=1'>&amp;"


@pytest.fixture
def show(browser, tmp_path):
    """Opens a new report of the sections that are handed in."""

    def show(*sections, title="Title"):
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # forget what was before
        browser.get(write_report(tmp_path / "report", title, sections).as_uri())

    return show


@pytest.fixture
def find(browser):
    """The first element of a CSS selector."""
    return lambda selector: browser.find_element("css selector", selector)


@pytest.fixture
def pixel(browser, find):
    """The colour of the stage at a place in shares of its width and height, as drawn."""

    def pixel(x, y=0.75):
        browser.execute_async_script(
            "const done = arguments[0];"
            "Promise.all([...document.querySelectorAll('.stage img:not([hidden])')]"
            ".map((image) => image.decode())).then(() => requestAnimationFrame(() => done()));"
        )
        with Image.open(io.BytesIO(find(".stage").screenshot_as_png)) as image:
            pixels = np.asarray(image.convert("RGB"))
        return pytest.approx(pixels[int(y * len(pixels)), int(x * pixels.shape[1])], abs=3)

    return pixel


@pytest.fixture
def choose(browser, find):
    """Chooses the option of that text in a menu."""

    def choose(selector, text):
        from selenium.webdriver.support.ui import Select

        Select(find(selector)).select_by_visible_text(text)

    return choose


def order(browser):
    rows = browser.find_elements("css selector", ".set > .scroll tbody tr")
    return [row.find_elements("css selector", "td")[0].text.split("\n")[0] for row in rows]


def click_head(browser, name):
    heads = browser.find_elements("css selector", ".set > .scroll thead button")
    next(head for head in heads if head.text.startswith(name)).click()


def test_a_click_on_a_column_sorts_by_number_best_first(browser, show, section):
    show(section)
    original = ["25.50", "9.75", "100.25", "30.00"]
    assert order(browser) == original
    click_head(browser, "PSNR")
    assert order(browser) == ["100.25", "30.00", "25.50", "9.75"]  # as text 9.75 were first
    click_head(browser, "PSNR")
    assert order(browser) == ["9.75", "25.50", "30.00", "100.25"]
    click_head(browser, "PSNR")
    assert order(browser) == original


def test_lower_is_better_sorts_the_other_way_and_keeps_gaps_below(browser, show, section):
    show(section)
    click_head(browser, "LPIPS")
    assert order(browser) == ["30.00", "25.50", "100.25", "9.75"]  # 0.1, 0.2, 0.3, none
    click_head(browser, "LPIPS")
    assert order(browser) == ["100.25", "25.50", "30.00", "9.75"]
    sorted_by = browser.find_elements("css selector", "th[aria-sort]")
    assert [head.get_attribute("aria-sort") for head in sorted_by] == ["descending"]


def test_names_sort_by_keyboard_as_well(browser, show, section, find):
    show(section)
    find(".set > .scroll thead button").send_keys("\ue007")  # Enter
    assert order(browser) == ["9.75", "25.50", "30.00", "100.25"]  # first, second, second, third


def test_best_second_best_intervals_and_printed_rows_look_so(browser, show, section):
    show(section)

    def texts(selector):
        found = browser.find_elements("css selector", f".set > .scroll {selector}")
        return [element.text for element in found]

    assert texts("strong") == ["0.2000", "100.25"]
    assert texts("u") == ["25.50", "0.3000"]
    assert texts("small") == ["25.00 to 26.00"]
    assert texts("tr.printed th") == ["second as printed"]
    sizes = [
        float(browser.find_element("css selector", s).value_of_css_property("font-size")[:-2])
        for s in ("td small", "td")
    ]
    assert sizes[0] < 0.85 * sizes[1]


def test_the_slider_follows_the_pointer(browser, show, section, find, pixel, colours):
    from selenium.webdriver import ActionChains

    show(section)
    assert pixel(0.45) == colours["lq"]
    assert pixel(0.55) == colours["second"]
    width = find(".stage").size["width"]
    ActionChains(browser).move_to_element_with_offset(
        find(".split"), int(0.3 * width), 0
    ).click().perform()
    assert find(".split").get_attribute("value") == "80"
    assert pixel(0.75) == colours["lq"]
    assert pixel(0.85) == colours["second"]
    clip = find(".layer.right").value_of_css_property("clip-path")
    assert clip == "inset(0px 0px 0px 80%)"


def test_the_slider_obeys_the_keyboard(show, section, find, pixel, colours):
    show(section)
    find(".split").send_keys("\ue011")  # Home
    assert pixel(0.02) == colours["second"]
    find(".split").send_keys("\ue010")  # End
    assert pixel(0.97) == colours["lq"]
    find(".split").send_keys("\ue012" * 3)  # left arrow
    clip = find(".layer.right").value_of_css_property("clip-path")
    assert clip == "inset(0px 0px 0px 97%)"


def test_the_mask_is_laid_over_where_a_class_is(show, section, find, pixel, colours):
    show(section)
    assert not find(".legend").is_displayed()
    assert pixel(0.75, 0.25) == colours["second"]
    find(".viewer input.mask").click()
    sky, below = np.array(PALETTE[CLASSES.index("sky")]), np.array(colours["second"])
    assert pixel(0.75, 0.25) == 0.55 * sky + 0.45 * below
    assert pixel(0.75, 0.75) == below  # no class
    assert pixel(0.25, 0.25) == colours["lq"]  # no mask
    assert find(".legend").text == "sky"
    find("input.opacity").send_keys("\ue010")  # End
    assert pixel(0.75, 0.25) == sky
    find(".viewer input.mask").click()
    assert pixel(0.75, 0.25) == below
    assert not find(".legend").is_displayed()


def test_another_method_is_another_image(show, section, find, pixel, colours, choose):
    show(section)
    assert find(".figures .right").text == "PSNR 25.50 · LPIPS 0.2000"
    choose(".viewer select.right", "first")
    assert pixel(0.75) == colours["first"]
    assert find(".name.right").text == "first"
    assert find(".figures .right").text == "PSNR 9.75"
    choose(".viewer select.left", "HQ")
    assert pixel(0.25) == colours["hq"]
    assert pixel(0.75) == colours["first"]


def test_the_other_image_does_not_shine_through_a_transparent_one(
    tmp_path, show, section, example, pixel, colours
):
    Image.new("RGBA", (64, 48)).save(tmp_path / "clear.png")
    clear = replace(example.panels[0], image=tmp_path / "clear.png")
    show(replace(section, examples=(replace(example, panels=(clear,)),)))
    assert pixel(0.25) == colours["lq"]
    assert pixel(0.75) != colours["lq"]


def test_one_choice_for_all_photographs(browser, show, section, example, choose, find):
    fewer = replace(example, name="fewer", panels=example.panels[1:])
    show(replace(section, examples=(example, example, fewer)))
    choose(".all select.right", "first")
    find(".all input.mask").click()

    def texts(selector):
        return [element.text for element in browser.find_elements("css selector", selector)]

    assert texts(".name.right") == ["first", "first", "second"]
    choose(".all select.left", "second")
    assert texts(".name.left") == ["second"] * 3
    legends = browser.find_elements("css selector", ".legend")
    assert [legend.text for legend in legends] == ["sky"] * 3


def test_full_size_is_pixel_by_pixel(show, section, find, choose):
    show(section)
    choose("select.size", "200 %")
    assert find(".stage").size == {"width": 128, "height": 96}


def test_it_is_dark_where_the_reader_wants_it_dark(browser, show, section, find):
    show(section)

    def brightness(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as image:
            return image.convert("L").getpixel((2, 2))

    assert brightness("light") > 240
    assert brightness("dark") < 40


def test_text_is_text(browser, show, section, example, find, choose):
    values = {"psnr": Value(1.0)}
    table = Table(EVIL * 2, section.table.columns, (Row(EVIL, values, printed=True),), (EVIL,))
    panel = replace(example.panels[1], label=EVIL)
    evil = replace(example, name=EVIL, panels=(panel,), values={EVIL: {"psnr": 1.0}})
    show(replace(section, title=EVIL, table=table, examples=(evil, evil)), title=EVIL)
    for selector in ("h1", "h2", "h3", ".notes li", ".name.right"):
        assert find(selector).text == EVIL
    assert find(".caption").text == EVIL * 2
    assert browser.title == EVIL
    find(".viewer input.mask").click()
    choose(".viewer select.left", "HQ")
    assert browser.execute_script("return window.evil") is None
    assert browser.get_log("browser") == []


def test_nothing_is_asked_of_a_network_and_nothing_complains(
    browser, show, section, find, choose, pixel
):
    show(section, section)
    find(".viewer input.mask").click()
    for side in ("left", "right"):
        for label in ("HQ", "first", "second", "LQ"):
            choose(f".viewer select.{side}", label)
    pixel(0.5)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        urlparse(event["params"]["request"]["url"]).scheme
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked.count("file") >= 6  # the page, four photographs, a mask: requests are seen at all
    assert set(asked) <= {"file", "data"}
    assert browser.get_log("browser") == []


def test_the_policy_forbids_what_the_page_never_does(browser, show, section):
    hits = []

    class Count(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Count)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    show(section)
    blocked = browser.execute_async_script(
        "const [url, done] = arguments; const blocked = [];"
        "addEventListener('securitypolicyviolation', (e) => {"
        "  blocked.push(e.effectiveDirective); if (blocked.length === 3) done(blocked.sort()); });"
        "new Image().src = url + 'image'; fetch(url + 'fetch').catch(() => 0);"
        "const script = document.createElement('script'); script.src = url + 'script';"
        "document.body.append(script);",
        f"http://127.0.0.1:{server.server_port}/",
    )
    server.shutdown()
    assert blocked == ["connect-src", "img-src", "script-src-elem"]
    assert hits == []
