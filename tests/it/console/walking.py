"""Whoever has no mouse, has a narrow window or likes it dark gets through it as well."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browser import PAGES, Case

REACHABLE = """return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility() && !one.closest("details:not([open]) > :not(summary)"))"""


class Walking(Case):
    def type(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def test_tab_reaches_everything_on_every_page(self):
        for name, address in PAGES.items():
            with self.subTest(name):
                self.open(address)
                # What is looked at stays as it is.
                self.run_script("Object.defineProperty(document, 'hidden', { value: true })")
                wanted = self.run_script(REACHABLE)
                reached = []
                for _ in range(len(wanted) + 10):
                    self.type(Keys.TAB)
                    reached.append(self.browser.switch_to.active_element)
                self.assertEqual(reached[0].get_attribute("textContent"), "Skip to the content")
                missed = [one.get_attribute("outerHTML")[:120] for one in wanted if one not in reached]
                self.assertEqual(missed, [])

    def test_the_skip_link_leads_to_the_content(self):
        self.open("#/")
        self.type(Keys.TAB, Keys.ENTER)
        self.assertEqual(self.run_script("return document.activeElement.id"), "main")
        self.assertTrue(self.browser.current_url.endswith("#/"))

    def test_keys_lead_to_the_pages(self):
        self.open("#/")
        for key, address in {"p": "#/parked", "g": "#/graph", "s": "#/sql", "h": "#/history", "f": "#/search", "o": "#/"}.items():
            self.type("g", key)
            self.until(address, lambda: self.browser.current_url.endswith(address))
            self.until("the focus", lambda: self.run_script("return document.activeElement.id") == "main")

    def test_the_keys_are_told_and_can_be_switched_off(self):
        self.open("#/sql")
        self.type("?")
        self.until("the dialog", lambda: "go to parked events" in self.text("dialog"))
        self.one("dialog input").click()
        self.type(Keys.ESCAPE)
        self.until("the dialog to be gone", lambda: not self.all("dialog"))
        self.type("?")
        self.assertEqual(self.all("dialog"), [])
        self.run_script("localStorage.clear()")
        # What is typed into a field is no shortcut.
        self.type("/", "?gp")
        self.assertEqual(self.run_script("return document.getElementById('sql-text').value"), "?gp")

    def test_a_narrow_window_needs_no_scrolling_to_the_side(self):
        self.look(400, "light")
        for name, address in PAGES.items():
            with self.subTest(name):
                self.open(address)
                width, there = self.run_script("return [document.documentElement.scrollWidth, innerWidth]")
                self.assertLessEqual(width, there)

    def test_dark_is_dark(self):
        grounds = []
        for scheme in ["light", "dark"]:
            self.look(1200, scheme)
            self.open("#/")
            ground = self.run_script("return getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(int(part) for part in ground.strip("rgb()").split(",")))
        self.assertGreater(grounds[0], 3 * 230)
        self.assertLess(grounds[1], 3 * 40)
