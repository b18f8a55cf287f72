"""What a person decides: told before, confirmed, and answered as the daemon words it."""

from pathlib import Path

from selenium.webdriver.common.keys import Keys

from browser import Case


class Deciding(Case):
    def confirm(self, button, reason):
        """Opens the dialog of a button, says who and why, and gives what the daemon answers."""
        self.press(f"{button}…")
        actor = self.one("#do-actor")
        actor.clear()
        actor.send_keys("ann")
        self.one("#do-reason").send_keys(reason)
        self.one("dialog button[type=submit]").click()
        answer = self.until("an answer", lambda: self.text("dialog .result"))
        self.press("Close")
        self.until("the dialog to be gone", lambda: not self.all("dialog"))
        return answer

    def step(self, action):
        return next((step for step in self.get("/v1/history")["items"] if step["action"] == action), None)

    def test_a_parked_event_is_given_up(self):
        self.open("#/event/orders/201")
        self.press("Discard…")
        # Without a reason nothing is done.
        self.one("dialog button[type=submit]").click()
        self.assertTrue(self.run_script("return document.querySelector('#do-reason:invalid') !== null"))
        self.assertEqual(self.get("/v1/parked/orders/201")["item"]["sequence"], 201)
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.until("the dialog to be gone", lambda: not self.all("dialog"))
        # The page of an event that is parked no more says so.
        self.refusals = 40
        self.assertIn("1", self.confirm("Discard", "test data"))
        self.until("the daemon's words", lambda: "is not parked" in self.text("main"))
        step = self.step("discarded")
        self.assertEqual((step["actor"], step["reason"]), ("ann", "test data"))
        self.open("#/history")
        self.assertIn("discarded", [row[1] for row in self.rows("What was done")])

    def test_parked_events_are_replayed_once_they_fit(self):
        source = Path(self.folder, "source.yaml")
        source.write_text(source.read_text() + "  Shipped: {fields: {customer: string!}}\n")
        self.open("#/parked?reason=unknown_type")
        self.confirm("Replay what is parked", "declared")
        self.until("no parked event", lambda: "0 parked events" in self.text("main"))
        self.assertEqual(self.step("replayed")["actor"], "ann")
        self.open("#/source/orders")
        self.until("the new type", lambda: self.row("Event types", "Shipped"))

    def test_a_projection_is_built_again(self):
        self.open("#/projection/found")
        told = self.confirm("Rebuild", "to be sure")
        self.assertIn("built together: found", told)
        self.assertIn("built, these wait to be promoted, unless their rows are the same: found", told)
        self.until("the second generation", lambda: self.rows("Generations")[0][:3] == ["2", "serves", "● serving"])

    def test_a_projection_is_paused_and_goes_on(self):
        self.open("#/projection/shares")
        self.confirm("Pause", "too large")
        self.until("the pause", lambda: "paused" in self.text("h1"))
        self.assertIn("too large", self.text("main"))
        self.open("#/")
        self.assertEqual(self.row("Projections", "shares")[1].split("\n")[0], "Ⅱ paused")
        self.open("#/projection/shares")
        self.confirm("Resume", "mended")
        self.until("its going on", lambda: "serving" in self.text("h1"))

    def test_a_refusal_is_told_as_the_daemon_words_it(self):
        self.refusals = 1
        self.open("#/projection/totals")
        self.press("Verify…")
        self.one("#do-share").send_keys("21/20")
        self.one("dialog button[type=submit]").click()
        detail = self.post("/v1/admin/projections/totals/verify", {"share": "21/20"})["detail"]
        self.until("the refusal", lambda: detail in self.text("dialog .result [role=alert]"))
        self.press("Close")

    def test_what_is_verified_is_told(self):
        self.open("#/projection/totals")
        self.press("Verify…")
        self.one("dialog button[type=submit]").click()
        self.until("the result", lambda: self.text("dialog .result").startswith("equal"))
        self.press("Close")

    def test_a_dialog_gives_the_focus_back_and_has_its_command(self):
        self.open("#/projection/totals")
        button = self.named("button", "Rebuild…")
        button.send_keys(Keys.ENTER)
        self.assertTrue(self.run_script("return document.activeElement.closest('dialog') !== null"))
        self.one("#do-reason").send_keys("it's time")
        command = self.copied("Copy as curl")
        self.assertIn(f"{self.url}/v1/admin/projections/totals/rebuild", command)
        self.assertIn("it'\\''s time", command)
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.until("the focus", lambda: self.run_script("return document.activeElement.textContent") == "Rebuild…")

    def test_what_was_built_is_compared_promoted_and_its_forerunner_retired(self):
        before = self.get("/v1/projections/shares")["item"]["generation"]
        projections = Path(self.folder, "projections.yaml")
        projections.write_text(projections.read_text().replace("100 / cents", "300 / cents"))
        self.post("/v1/admin/reload", {})
        self.open("#/")
        self.until("a build that waits", lambda: "◐ shadowing" in self.row("Builds", "shares")[2])
        self.assertRegex(self.row("Builds", "shares")[3], r"orders \d+ of \d+")
        self.open("#/projection/shares")
        self.until("the comparison", lambda: "What was built is different" in self.text("main"))
        self.confirm("Promote", "corrected")
        self.until("what replaces it", lambda: int(self.rows("Generations")[0][0]) > before)
        self.assertIn("300 / cents", self.text("main"))
        self.until("what was replaced", lambda: self.rows("Generations")[1][1:3] == ["kept", "● ready"])
        self.confirm("Retire what was replaced", "not needed")
        self.until("its end", lambda: len(self.rows("Generations")) == 1)
