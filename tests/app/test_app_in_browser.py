"""The page in a headless Chromium: upload, restore, compare, paint, restore again, download."""

import io
import json
import socket
import threading
import time
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="segsr[app] is not installed")
uvicorn = pytest.importorskip("uvicorn")
by = pytest.importorskip("selenium.webdriver.common.by", reason="selenium is not installed").By

from segsr.app.limits import Limits  # noqa: E402
from segsr.app.server import application  # noqa: E402
from segsr.inference.upscale import upscale_files  # noqa: E402

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def address(restorer, tmp_path_factory):
    """Where a page with the tiny model is served."""
    app = application(restorer, tmp_path_factory.mktemp("visitors"), Limits())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def wait(browser):
    """The first element of a CSS selector, as soon as it is there and shown."""

    def wait(selector, seconds=60, shown=True):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for found in browser.find_elements(by.CSS_SELECTOR, selector):
                if found.is_displayed() or not shown:
                    return found
            time.sleep(0.1)
        raise AssertionError(f"no {selector}: {browser.find_element('css selector', 'body').text}")

    return wait


@pytest.fixture
def opened(browser, address, wait):
    """The page, just opened."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forget what was before
    browser.get(address)
    wait("#restore")
    return browser


@pytest.fixture
def photo_file(tmp_path, photo):
    """A photograph to hand in."""
    path = tmp_path / "house.png"
    path.write_bytes(photo(WIDTH, HEIGHT))
    return path


@pytest.fixture
def restored(opened, wait, photo_file):
    """The page with a restored photograph."""
    opened.find_element("css selector", "[data-tab=restore] input[type=file]").send_keys(
        str(photo_file)
    )
    assert "house.png, 64 x 48 pixels" in wait("[data-tab=restore] figcaption").text
    opened.find_element("id", "restore").click()
    wait(".viewer[data-ready]")
    return opened


def fetched(browser, selector):
    """The file that a link leads to, with the visitor's cookie."""
    link = browser.find_element("css selector", selector).get_attribute("href")
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in browser.get_cookies())
    with urlopen(Request(link, headers={"Cookie": cookies}), timeout=10) as answer:
        return answer.read()


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).astype(int)


def same_on_the_command_line(photo_file, model_folder, mask=None):
    out = photo_file.parent / "out"
    upscale_files(
        [photo_file], out, model=str(model_folder), mask=mask, device="cpu", overwrite=True
    )
    return [(out / name).read_bytes() for name in ("house.png", "masks/house.png")]


def test_upload_restore_paint_restore_again(restored, wait, photo_file, model_folder, tmp_path):
    from selenium.webdriver import ActionChains

    first, mask = (fetched(restored, f".downloads .{kind}") for kind in ("picture", "mask"))
    assert [first, mask] == same_on_the_command_line(photo_file, model_folder)

    restored.find_element("css selector", "input[value=paint]").click()
    names = [option.text for option in wait(".painter .class").find_elements("tag name", "option")]
    wait(".painter .class").send_keys("water")
    canvas = wait("canvas.paint")
    restored.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    drag = ActionChains(restored).move_to_element(canvas).click_and_hold()
    drag.move_by_offset(40, 10).release().perform()
    painted = restored.execute_script("return atob(segsr.edits(segsr.shown())).length")
    assert painted == WIDTH * HEIGHT
    restored.find_element("css selector", ".painter .again").click()
    verdict = wait(".verdict").text
    assert "Where you painted, the picture changed by" in verdict

    held = fetched(restored, ".downloads .held")
    cells = pixels(held)
    assert set(np.unique(cells)) == {names.index("water"), 255}
    second = fetched(restored, ".downloads .picture")
    inside = (cells != 255).repeat(4, 0).repeat(4, 1)
    change = np.abs(pixels(second) - pixels(first)).mean(2)
    assert 20 < inside.sum() < inside.size / 2
    assert change[inside].mean() > 0.2
    assert change[~inside].mean() < 1
    found = pixels(fetched(restored, ".downloads .mask"))
    assert (found[inside] == names.index("water")).all()

    (tmp_path / "held.png").write_bytes(held)
    repeated = same_on_the_command_line(photo_file, model_folder, tmp_path / "held.png")
    assert repeated[0] == second
    settings = json.loads(fetched(restored, ".downloads .settings"))
    assert settings["mask"]["name"] == "house_held.png"
    assert settings["command"].startswith("segsr upscale house.png ")
    assert not [entry for entry in restored.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_slider_follows_pointer_and_keyboard(restored, wait):
    from selenium.webdriver import ActionChains

    stage, split = wait(".stage"), wait(".splitter .split")

    def edge():
        clip = restored.find_element("css selector", ".after").value_of_css_property("clip-path")
        return float(clip.rpartition(" ")[2].rstrip("%)"))

    assert edge() == 50
    restored.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    width = stage.size["width"]
    ActionChains(restored).move_to_element_with_offset(
        stage, int(0.25 * width), 0
    ).click().perform()
    assert edge() == pytest.approx(75, abs=1)
    split.send_keys("\ue011")  # Home
    assert edge() == 0
    split.send_keys("\ue014" * 4)  # arrow to the right
    assert edge() == 2


def test_the_mask_is_shown_as_strongly_as_wanted_and_has_a_legend(restored, wait):
    overlay = restored.find_element("css selector", ".overlay")
    assert overlay.value_of_css_property("opacity") == "0"
    wait(".strength").send_keys("\ue010")  # End
    assert overlay.value_of_css_property("opacity") == "1"
    shares = [
        float(item.text.split(" %")[0].split()[-1])
        for item in restored.find_elements("css selector", ".legend li")
    ]
    assert sum(shares) == pytest.approx(100, abs=1)
    for image in restored.find_elements("css selector", ".stage img"):
        assert image.get_attribute("alt")


def test_painting_by_keyboard(restored, wait):
    restored.find_element("css selector", "input[value=paint]").send_keys(" ")
    canvas = wait("canvas.paint")
    canvas.send_keys(" ", "\ue014", " ")
    count = "return [...atob(segsr.edits(segsr.shown()))].filter(c => c !== '\\xff').length"
    painted = restored.execute_script(count)
    assert painted > 20
    canvas.send_keys("\ue003")  # backspace
    assert 0 < restored.execute_script(count) < painted
    wait(".clear").click()
    assert restored.execute_script(count) == 0


def test_the_gallery_has_every_step(opened, wait, photo_file):
    opened.find_element("css selector", "[data-tab=restore] input[type=file]").send_keys(
        str(photo_file)
    )
    wait("[data-tab=restore] figcaption")
    opened.find_element("id", "restore").click()
    wait(".gallery")
    assert len(opened.find_elements("css selector", ".gallery li")) == 2  # the tiny model's steps


def test_what_goes_wrong_is_said_on_the_page(opened, wait, tmp_path):
    wait("#restore").click()
    assert "there is no photograph yet" in wait(".status .error").text
    (tmp_path / "<b>x.png").write_bytes(b"nothing")
    opened.find_element("css selector", "[data-tab=restore] input[type=file]").send_keys(
        str(tmp_path / "<b>x.png")
    )
    notice = wait("[data-tab=restore] .notice")
    end = time.monotonic() + 20
    while not notice.text and time.monotonic() < end:
        time.sleep(0.1)
    assert notice.text.startswith("<b>x.png is not a readable image")


def test_a_photograph_is_labelled(opened, wait, photo_file):
    next(
        tab for tab in opened.find_elements("css selector", "[role=tab]") if tab.text == "Label"
    ).click()
    wait("[data-tab=label] .drop")
    opened.find_element("css selector", "[data-tab=label] input[type=file]").send_keys(
        str(photo_file)
    )
    wait("[data-tab=label] figcaption")
    wait("#label").click()
    viewer = wait("#label-result .viewer")
    assert "confidence" in viewer.text
    assert pixels(fetched(opened, "#label-result .downloads .mask")).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_asks_nothing_of_others(browser, restored, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(0.3)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    came = [
        event["params"]["response"]["url"]
        for event in events
        if event["method"] == "Network.responseReceived"
    ]
    own = ("http://127.0.0.1:", "data:", "blob:")
    assert len(came) > 3
    assert [url for url in came if not url.startswith(own)] == []
