"""What axe-core finds that would keep somebody out: labels, roles, contrasts, headings."""

import importlib.util
from pathlib import Path

from browser import PAGES, Case

AXE = Path(importlib.util.find_spec("axe_playwright_python").origin).with_name("axe.min.js").read_text()


class Barriers(Case):
    def barriers(self, address):
        """What axe-core finds, each with the elements that it is about."""
        self.run_script(AXE)
        found = self.browser.execute_async_script("const told = arguments[0]; axe.run().then((found) => told(found.violations))")
        return [(address, one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]

    def all_pages(self, width, scheme):
        self.look(width, scheme)
        found = []
        for address in PAGES.values():
            self.open(address)
            found += self.barriers(address)
        self.open("#/projection/totals")
        self.press("Rebuild…")
        return found + self.barriers("dialog")

    def test_there_are_none_in_light(self):
        self.assertEqual(self.all_pages(1200, "light"), [])

    def test_there_are_none_in_dark(self):
        self.assertEqual(self.all_pages(1200, "dark"), [])

    def test_there_are_none_in_a_narrow_window(self):
        self.assertEqual(self.all_pages(400, "light"), [])

    def test_there_are_none_in_answers(self):
        self.open("#/sql?q=SELECT+*+FROM+totals+LIMIT+3")
        self.press("Run")
        self.rows("Answer")
        self.assertEqual(self.barriers("sql"), [])
        self.open("#/search?text=late")
        self.press("Search")
        self.until("hits", lambda: self.all("main mark"))
        self.assertEqual(self.barriers("search"), [])
