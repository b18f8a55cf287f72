"""The boxes for SQL and for searches."""

import json
import subprocess

from selenium.webdriver.common.keys import Keys

from browser import Case


def executed(command):
    """What a command for the shell prints, as JSON."""
    return json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=30).stdout)


class Asking(Case):
    def ask(self, sql):
        self.open("#/sql")
        field = self.one("#sql-text")
        field.send_keys(sql)
        field.send_keys(Keys.CONTROL, Keys.ENTER)

    def test_sql_gives_rows_with_their_freshness(self):
        self.ask("SELECT customer, orders FROM totals ORDER BY customer LIMIT 2")
        self.assertEqual(self.rows("Answer: 2 rows"), [["bob", "1"], ["c0", "2"]])
        self.assertRegex(self.text("[data-key=answer] .freshness"), r"live lag 0 s, 0 sequences; .* at orders:204")

    def test_an_error_is_told_as_the_daemon_words_it(self):
        self.refusals = 1
        sql = "SELECT custmer FROM totals"
        self.ask(sql)
        answer = self.post("/v1/sql", {"sql": sql})
        told = self.until("the problem", lambda: self.text("[data-key=answer] [role=alert]"))
        self.assertIn(answer["detail"], told)
        self.assertIn(answer["title"], told)

    def test_a_plan_is_shown(self):
        self.open("#/sql?q=SELECT+orders+FROM+totals+WHERE+customer+=+'c1'")
        self.press("Show the plan")
        self.until("a plan", lambda: "access=key (customer)" in self.text("[data-key=answer]"))

    def test_the_command_gives_the_same_rows(self):
        self.ask("SELECT customer, note FROM totals\nWHERE note = 'late delivery' OR customer = 'it''s' ORDER BY customer LIMIT 3")
        shown = self.rows("Answer: 3 rows")
        command = self.copied("Copy as curl")
        self.assertTrue(command.startswith(f"curl -sS {self.url}/v1/sql "), command)
        self.assertEqual([list(item.values()) for item in executed(command)["items"]], shown)

    def test_parameters_are_given_as_json(self):
        self.open("#/sql?q=SELECT+count(*)+AS+n+FROM+totals+WHERE+orders+>+$least")
        self.one("summary").click()
        self.one("#sql-params").send_keys('{"least": 1}')
        self.press("Run")
        self.assertEqual(self.rows("Answer"), [["100"]])

    def test_a_declared_query_is_a_question_too(self):
        self.open("#/graph")
        self.named("a", "best").click()
        self.until("its text", lambda: "WHERE cents > $least" in self.one("#sql-text").get_attribute("value"))
        self.assertEqual(self.one("#sql-params").get_attribute("value"), '{"least":0}')
        self.press("Run")
        self.assertEqual(len(self.rows("Answer: 100 rows")), 100)

    def test_a_search_marks_what_it_has_found(self):
        self.open("#/search")
        self.one("#search-text").send_keys("late", Keys.ENTER)
        found = self.get("/v1/search/found?text=late&pageSize=20")
        hits = self.rows(f"{found['total']} documents found")
        self.assertEqual({hit[0] for hit in hits}, {item["item"]["customer"] for item in found["items"]})
        self.assertEqual({mark.text for mark in self.all("main mark")}, {"late"})
        self.assertIn("live", self.text("[data-key=answer] .freshness"))
        again = executed(self.copied("Copy as curl"))
        self.assertEqual(again["items"][0]["item"], found["items"][0]["item"])

    def test_a_search_that_is_wrong_is_told_as_the_daemon_words_it(self):
        self.refusals = 1
        self.open("#/search")
        self.run_script("document.getElementById('search-as').value = 'q'")
        self.one("#search-text").send_keys("nothing:(", Keys.ENTER)
        detail = self.get("/v1/search/found?q=nothing:(&highlight=true&pageSize=20")["detail"]
        self.until("the problem", lambda: detail in self.text("[data-key=answer]"))
