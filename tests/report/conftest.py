"""A browser without a window."""

import json
import shutil

import pytest
from browsing import wait

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--window-size=1280,900""".split()  # noqa: SIM905


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    browser.get("about:blank")
    yield browser
    browser.quit()


@pytest.fixture
def opened(browser):
    """Open a page and wait until the map is drawn; at the end there must be no message in the
    console, and no request but for the page itself."""

    def opened(path, width=1280, height=900, scheme="light", mobile=False):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        browser.get(path.as_uri())
        wait(lambda: browser.execute_script("return 'drawn' in document.body.dataset"))
        return browser

    for kind in ("browser", "performance"):
        browser.get_log(kind)
    yield opened
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    # chrome: is the browser's own first page.
    assert asked and all(url.startswith(("file:", "data:", "chrome:")) for url in asked)
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
