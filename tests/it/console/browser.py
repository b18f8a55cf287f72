"""A headless Chromium for the cases of a class, and what they have in common."""

import json
import os
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

DEADLINE = 30
PAGES = {
    "overview": "#/",
    "table": "#/projection/totals",
    "search projection": "#/projection/found",
    "view": "#/projection/large",
    "source": "#/source/orders",
    "graph": "#/graph",
    "parked": "#/parked",
    "event": "#/event/orders/201",
    "sql": "#/sql",
    "search": "#/search",
    "history": "#/history",
}


class Case(unittest.TestCase):
    """Every case begins with an empty page, and ends without an error in the console."""

    url = os.environ["CONSOLE_URL"]
    folder = os.environ["CONSOLE_FOLDER"]

    @classmethod
    def setUpClass(cls):
        cls.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = os.path.join(os.environ["CHROMIUM_BIN"], "chromium")
        for argument in [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={cls.profile.name}",
        ]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = os.path.join(os.environ["CHROMIUM_BIN"], "chromedriver")
        cls.browser = webdriver.Chrome(options=options, service=Service(driver))
        cls.browser.execute_cdp_cmd("Browser.grantPermissions", {"origin": cls.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.profile.cleanup()

    def setUp(self):
        self.look(1200, "light")
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get_log("performance")
        # What a browser itself says of an answer that a case wants to be a refusal.
        self.refusals = 0

    def tearDown(self):
        errors = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        refused = [error for error in errors if "/v1/" in error and "Failed to load resource" in error]
        self.assertEqual([error for error in errors if error not in refused], [])
        self.assertLessEqual(len(refused), self.refusals, refused)

    def look(self, width, scheme):
        """How wide the page is, and whether it is light or dark."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address):
        """Shows a page, once the daemon has answered."""
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/{address}")
        self.until("the page", lambda: self.all("main h1") and "Asking the daemon" not in self.text("main"))

    def until(self, what, found):
        """What is found, once it is."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                if result := found():
                    return result
            except Exception:  # What is drawn anew may be gone while it is looked at.
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                self.fail(f"no {what}; the page: {self.text('body')}")
            time.sleep(0.05)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.one(selector).text

    def run_script(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def named(self, tag, text):
        """The element of this tag and text, in the dialog if there is one."""
        script = "return [...(document.querySelector('dialog[open]') ?? document).querySelectorAll(arguments[0])].find((one) => one.textContent.trim() === arguments[1])"
        return self.until(f"{tag} {text}", lambda: self.run_script(script, tag, text))

    def press(self, text):
        self.named("button", text).click()

    def rows(self, caption):
        """The rows of the table whose caption begins so, as lists of texts."""
        script = """const table = [...document.querySelectorAll("table")].find((one) => one.caption?.textContent.startsWith(arguments[0]));
            return table && [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))"""
        return self.until(f"table {caption}", lambda: self.run_script(script, caption))

    def row(self, caption, name):
        """The row whose first line begins so."""
        return next((row for row in self.rows(caption) if row[0].split()[:1] == [name]), None)

    def copied(self, button):
        """What a button puts into the clipboard."""
        self.press(button)
        self.named("button", "Copied")
        return self.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")

    def asked(self):
        """The addresses that were asked for since the case began, or since this was last called."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def get(self, path):
        return ask(f"{self.url}{path}", None)

    def post(self, path, body):
        return ask(f"{self.url}{path}", body)


def ask(url, body):
    """The daemon's answer, whatever its status. The body is written as JavaScript does."""
    data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
