"""The site: built strictly, its first page works, all pages fit a phone; its pictures are true."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    pytest.importorskip("mkdocs", reason="the site's packages are not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Where the built site is served."""
    handler = partial(Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def width_before(browser) -> float:
    """The share of the picture that shows what was before, in percent."""
    script = "return getComputedStyle(document.querySelector('.compare img + img')).clipPath"
    left = re.search(r"calc\(100% - ([\d.]+)%\)|([\d.]+)%", browser.execute_script(script))
    return float(left[1]) if left[1] else 100 - float(left[2])


def test_before_and_after_move_by_key_and_by_pointer(address, browser):
    from selenium.webdriver import ActionChains, Keys

    browser.get(address)
    slider = browser.find_element("css selector", ".compare input")
    assert width_before(browser) == 50
    slider.send_keys(Keys.ARROW_RIGHT)
    assert width_before(browser) == 51
    assert slider.get_attribute("aria-valuetext").startswith("51 percent before")
    stage = browser.find_element("css selector", ".compare .stage")
    quarter = -stage.size["width"] // 4
    ActionChains(browser).drag_and_drop_by_offset(slider, quarter, 0).perform()
    assert width_before(browser) == pytest.approx(25, abs=1.5)


def test_another_photograph_is_chosen(address, browser):
    browser.get(address)
    browser.find_element("css selector", ".compare button[value=picos]").click()
    shown = browser.find_elements("css selector", ".compare img")
    names = [image.get_attribute("src").rsplit("/", 1)[1] for image in shown]
    assert names == ["picos-after.webp", "picos-before.webp"]
    assert "Mountains" in shown[0].get_attribute("alt")
    pressed = browser.find_elements("css selector", ".compare button[aria-pressed=true]")
    assert [button.get_attribute("value") for button in pressed] == ["picos"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone_or_asks_another_server(scheme, site, address, browser):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        for page in sorted(site.rglob("index.html")):
            browser.get(address + page.relative_to(site).as_posix())
            measure = "return [document.documentElement.scrollWidth, innerWidth]"
            wide, screen = browser.execute_script(measure)
            assert wide <= screen, page
            script = "return performance.getEntriesByType('resource').map((each) => each.name)"
            assert all(name.startswith(address) for name in browser.execute_script(script)), page
            broken = (
                "return [...document.images].filter((i) => i.complete && !i.naturalWidth).length"
            )
            assert browser.execute_script(broken) == 0, page
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_links_lead_to_the_repository_where_its_address_is_known(site, tmp_path):
    variables = {**os.environ, "SITE_REPOSITORY": "https://example.org/segsr"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, env=variables)
    page = (tmp_path / "how-it-works" / "index.html").read_text()
    assert 'href="https://example.org/segsr/blob/main/src/segsr/model/joint.py"' in page
    assert (site / "source" / "src" / "segsr" / "model" / "joint.py").is_file()
    assert "<math" in page
    assert "arithmatex" not in page


def test_the_pictures_are_what_the_model_makes(tmp_path):
    tool = runpy.run_path(str(ROOT / "tools" / "site_pictures.py"))
    made = dict(tool["pictures"]())
    kept = {path.name for path in tool["OUT"].glob("*.webp")}
    assert set(made) == kept
    for name, picture in made.items():
        (tmp_path / name).write_bytes(tool["encoded"](picture))
        pair = [
            np.asarray(Image.open(p / name).convert("RGB"), float) for p in (tmp_path, tool["OUT"])
        ]
        error = np.abs(pair[0] - pair[1]).mean()
        assert error < 1, f"{name} differs by {error:.1f} of 255: python tools/site_pictures.py"
