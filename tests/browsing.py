"""Pages of reports: what they hold, and how a test uses them in a browser."""

import json
import re


def data_of(path):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    return json.loads(found[1])


def wait(condition, seconds=10):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(None, seconds, poll_frequency=0.05).until(lambda _: condition())


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def search(browser, text):
    box = find(browser, "#word")[0]
    box.clear()
    box.send_keys(text, "\n")
