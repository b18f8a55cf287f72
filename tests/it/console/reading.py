"""What the daemon has is shown, and what strangers have written is shown as text."""

from browser import PAGES, Case


class Reading(Case):
    def test_the_overview_has_the_projections_with_state_lag_rows_and_promise(self):
        self.open("#/")
        self.assertEqual([row[0].split()[0] for row in self.rows("Projections")], ["found", "large", "shares", "totals"])
        self.until("a promise that is measured", lambda: "kept" in self.row("Projections", "totals")[3])
        name, state, lag, promise, rows, memory = self.row("Projections", "totals")
        self.assertEqual((name, state, rows), ("totals table", "● serving", "101"))
        self.assertRegex(lag, r"^0 s\s+0 sequences$")
        self.assertRegex(promise, r"^✓ [>\d. ]+ % kept\s+90 % within 5\.0 s over")
        self.assertRegex(memory, r"^[\d.]+ KiB$")
        self.assertEqual(self.row("Projections", "shares")[3], "no promise")

    def test_the_overview_has_the_sources_with_position_rate_watermark_and_what_is_parked(self):
        self.open("#/")
        self.until("a rate", lambda: self.row("Sources", "orders")[3].endswith("/s"))
        _, state, position, rate, watermark, parked = self.row("Sources", "orders")
        self.assertEqual((state, rate), ("● live", "0 /s"))
        self.assertRegex(position, r"^204\s+of 204$")
        self.assertIn("ago", watermark)
        self.assertRegex(parked, r"^4 events\s+3 of them for all projections$")

    def test_a_projection_is_shown_with_all_that_belongs_to_it(self):
        self.open("#/projection/totals")
        page = self.text("main")
        self.assertIn("FROM orders.placed GROUP BY customer", page)
        self.assertIn("team-sales", page)
        links = {link.text for link in self.all("dl a")}
        self.assertEqual(links, {"orders.placed", "found", "large"})
        aggregate = next(row for row in self.rows("Operators") if row[0].endswith("aggregate"))
        self.assertEqual(aggregate[1:3], ["its groups", "101"])
        self.assertRegex(aggregate[3], "[KM]iB$")
        self.assertEqual([row[0] for row in self.rows("Columns")], ["customer", "orders", "cents", "note"])
        self.assertEqual(self.rows("Generations")[0][:4], ["1", "serves", "● serving", "101"])
        self.assertEqual(len(self.rows("Rows of totals")), 20)
        self.press("Next page")
        self.until("the second page", lambda: self.rows("Rows of totals, page 2"))
        self.until("a minute of freshness", lambda: self.all(".chart g rect"))

    def test_numbers_keep_their_digits(self):
        self.open("#/sql?q=SELECT+cents+FROM+totals+WHERE+customer+=+'c3'")
        self.press("Run")
        self.assertEqual(self.rows("Answer"), [["9007199254741097"]])
        self.open("#/event/orders/202")
        self.assertIn("12345678901234567890", self.text("pre.payload"))

    def test_views_and_sources_are_shown(self):
        self.open("#/projection/large")
        self.assertIn("SELECT customer, cents FROM totals", self.text("main"))
        self.assertEqual([row[0] for row in self.rows("Columns")], ["customer", "cents"])
        self.assertIn("best", self.text("dl"))
        self.open("#/source/orders")
        self.assertEqual([row[:2] for row in self.rows("Event types")], [["Placed", "orders.placed"], ["Cancelled", "orders.cancelled"]])

    def test_the_graph_has_every_node_and_says_the_same_as_a_table(self):
        self.open("#/graph")
        drawn = {node.get_attribute("data-node") for node in self.all("[data-node]")}
        self.assertEqual(drawn, {"orders.events", "orders.placed", "orders.cancelled", "totals", "found", "shares", "large", "query best"})
        table = {row[0]: row[1:] for row in self.rows("Nodes of the graph")}
        self.assertEqual(table["totals"], ["table", "Placed", "found, large"])
        self.assertEqual(table["best"], ["query", "large", "–"])
        self.assertEqual(len(self.all("path.edge")), 7)

    def test_what_strangers_have_written_is_text(self):
        self.open("#/event/orders/201")
        self.assertIn('"customer": "<script>window.stranger = 1</script>"', self.text("pre.payload"))
        self.assertEqual(self.text("pre.payload mark"), "\"<img src=x onerror='window.stranger = 2'>\"")
        self.assertEqual(self.rows("Faults")[0][2:], ["wrong_type", "/cents", "expected int64, found a string"])
        self.open("#/projection/totals")
        self.assertIn("<b>bold</b>", self.text("main"))
        self.assertEqual((self.all("script:not([src])"), self.all("img"), self.all("b")), ([], [], []))
        self.assertIsNone(self.run_script("return window.stranger ?? null"))

    def test_a_member_that_is_missing_is_shown_in_its_place(self):
        self.open("#/event/orders/202")
        self.assertEqual(self.text("pre.payload mark"), '"cents" is missing here')

    def test_parked_events_are_filtered_by_the_address(self):
        self.open("#/parked?reason=unknown_type")
        self.assertEqual([row[0] for row in self.rows("1 parked event")], ["orders 203"])
        self.open("#/parked?projection=shares")
        self.assertEqual([row[2] for row in self.rows("1 parked event")], ["shares"])

    def test_nothing_is_asked_of_others(self):
        for address in PAGES.values():
            self.open(address)
        asked = {url for url in self.asked() if not url.startswith(("about:", "data:"))}
        self.assertGreater(len(asked), 20)
        self.assertEqual({url for url in asked if not url.startswith(f"{self.url}/")}, set())
        # The page has what anybody has: its own files, and the documented interface.
        known = tuple(f"{self.url}{path}" for path in ["/console/", "/v1/", "/readyz", "/livez"])
        self.assertEqual({url for url in asked if not url.startswith(known)}, {f"{self.url}/"})

    def test_what_is_not_there_is_told_as_the_daemon_words_it(self):
        self.refusals = 40
        self.open("#/projection/total")
        self.assertIn("there is no projection `total`", self.text("main"))
        self.open("#/nothing")
        self.assertIn("No such page", self.text("main"))
