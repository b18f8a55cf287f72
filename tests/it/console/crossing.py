"""Pages of other origins: what a browser lets them read, and what it keeps from them. The daemon's own page is not looked at here."""

import json
import pathlib
import urllib.request

from browser import Case

ROW = "/v1/tables/placed/a"


class Crossing(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        given = json.loads((pathlib.Path(cls.folder) / "given.json").read_text())
        cls.own, cls.stranger, cls.tokens = given["own"], given["stranger"], given["tokens"]

    def tearDown(self):
        """What a browser says of an answer that it keeps from a page is what the cases want of it."""
        errors = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        wanted = ["blocked by CORS policy", "Failed to load resource"]
        self.assertEqual([error for error in errors if not any(part in error for part in wanted)], [])

    def fetch(self, page, path, by=None, **init):
        """What the script of a page gets: status, readable headers and the body, or an error that says nothing."""
        if self.browser.current_url.rstrip("/") != page:
            self.browser.get(page)
        if by is not None:
            init["headers"] = {"Authorization": f"Bearer {self.tokens[by]}", **init.get("headers", {})}
        script = """const [url, init, done] = arguments;
            fetch(url, init).then(
                async (answer) => done({status: answer.status, type: answer.type, headers: Object.fromEntries(answer.headers), body: await answer.text()}),
                (error) => done({error: error.name}));"""
        return self.browser.execute_async_script(script, f"{self.url}{path}", init)

    def posted(self, page, path, body, by=None, **init):
        return self.fetch(page, path, by, method="POST", body=json.dumps(body), headers={"Content-Type": "application/json"}, **init)

    def paused(self):
        """The steps of history that did what these cases ask for; the daemon itself is asked, by no page."""
        request = urllib.request.Request(f"{self.url}/v1/history")
        if self.tokens:
            request.add_header("Authorization", f"Bearer {self.tokens['admin']}")
        with urllib.request.urlopen(request) as answer:
            return [step for step in json.load(answer)["items"] if "pause" in json.dumps(step)]


class Declared(Crossing):
    """Where pages of one origin may read, with tokens."""

    def test_a_page_of_the_declared_origin_reads_with_a_token(self):
        answer = self.fetch(self.own, ROW, "reader")
        self.assertEqual((answer["status"], answer["type"]), (200, "cors"))
        self.assertEqual(json.loads(answer["body"])["item"], {"id": "a"})
        rows = self.fetch(self.own, "/v1/tables/placed", "reader", headers={"Accept": "application/json"})
        self.assertEqual(json.loads(rows["body"])["items"], [{"id": "a"}])
        asked = self.posted(self.own, "/v1/sql", {"sql": "SELECT count(*) AS n FROM placed"}, "reader")
        self.assertEqual(json.loads(asked["body"])["items"], [{"n": 1}])

    def test_its_script_asks_again_only_for_what_is_new(self):
        # Once, when nothing has come for a while, the source becomes idle, which is another answer.
        for _ in range(2):
            first = self.fetch(self.own, ROW, "reader")
            known = {"If-None-Match": first["headers"]["etag"]}
            again = self.fetch(self.own, ROW, "reader", headers=known)
            if again["status"] == 304:
                break
        self.assertEqual((again["status"], again["body"]), (304, ""))
        self.assertEqual(again["headers"]["etag"], first["headers"]["etag"])
        self.assertIn(json.loads(again["headers"]["readside-freshness"])["state"], ("live", "idle"))
        # What the browser itself asks again is the whole answer to the page.
        cached = self.fetch(self.own, ROW, "reader")
        self.assertEqual((cached["status"], json.loads(cached["body"])["item"]), (200, {"id": "a"}))

    def test_it_sees_why_it_is_refused_and_when_to_come_again(self):
        nobody = self.fetch(self.own, ROW)
        self.assertEqual(nobody["status"], 401)
        self.assertIn("Bearer", nobody["headers"]["www-authenticate"])
        missing = self.fetch(self.own, "/v1/tables/none", "reader")
        self.assertEqual((missing["status"], json.loads(missing["body"])["status"]), (404, 404))
        wrong = self.fetch(self.own, "/v1/sql", "reader", method="POST", body="SELECT 1", headers={"Content-Type": "text/plain"})
        self.assertEqual(wrong["status"], 415)

        # Many at once are more than one principal may ask in a second.
        script = """const [url, token, done] = arguments;
            const ask = () => fetch(url, {headers: {Authorization: `Bearer ${token}`}, cache: "no-store"});
            Promise.all(Array.from({length: 100}, ask)).then((answers) => {
                const refused = answers.filter((answer) => answer.status === 429);
                done(refused.map((answer) => answer.headers.get("Retry-After")));
            });"""
        hasty = (f"{self.url}{ROW}", self.tokens["hasty"])
        waits = self.until("a refusal", lambda: self.browser.execute_async_script(script, *hasty))
        self.assertEqual(set(waits), {"1"})

    def test_a_page_of_another_origin_reads_nothing(self):
        for init in [{}, {"by": "reader"}, {"by": "admin"}]:
            self.assertEqual(self.fetch(self.stranger, ROW, **init), {"error": "TypeError"}, init)
        self.assertEqual(self.posted(self.stranger, "/v1/sql", {"sql": "SELECT 1 AS one"}, "reader"), {"error": "TypeError"})
        # What a page may always ask for tells it nothing.
        blind = self.fetch(self.stranger, ROW, mode="no-cors")
        self.assertEqual(blind, {"status": 0, "type": "opaque", "headers": {}, "body": ""})

    def test_an_answer_that_one_origin_has_seen_is_not_shown_to_another(self):
        self.assertEqual(self.fetch(self.own, ROW, "reader")["status"], 200)
        for cache in ["default", "force-cache"]:
            self.assertEqual(self.fetch(self.stranger, ROW, "reader", cache=cache), {"error": "TypeError"})
        self.assertEqual(self.fetch(self.own, ROW, "reader", cache="force-cache")["status"], 200)

    def test_no_page_administers(self):
        pause = "/v1/admin/projections/placed/pause"
        for page in [self.own, self.stranger]:
            answer = self.posted(page, pause, {"reason": "a page"}, "admin")
            self.assertEqual(answer, {"error": "TypeError"}, page)
            self.fetch(page, pause, mode="no-cors", method="POST", body='{"reason": "a page"}')
        self.assertEqual(self.paused(), [])
        # Only what readers have is told to pages.
        for path in ["/readyz", "/console/main.js", "/v1/none"]:
            self.assertEqual(self.fetch(self.own, path), {"error": "TypeError"}, path)


class Undeclared(Crossing):
    """Where nothing is declared, nobody needs a token, and every process of this machine administers."""

    def test_no_page_of_another_origin_reads(self):
        for page in [self.own, self.stranger]:
            self.assertEqual(self.fetch(page, ROW), {"error": "TypeError"})
            self.assertEqual(self.posted(page, "/v1/sql", {"sql": "SELECT 1 AS one"}), {"error": "TypeError"})

    def test_no_page_of_another_origin_administers(self):
        pause = "/v1/admin/projections/placed/pause"
        for page in [self.own, self.stranger]:
            self.assertEqual(self.posted(page, pause, {"reason": "a page"}), {"error": "TypeError"})
            # Browsers send this without asking first.
            self.fetch(page, pause, mode="no-cors", method="POST", body='{"reason": "a page"}')
            form = """document.body.innerHTML = `<form method="post" enctype="text/plain" action="${arguments[0]}"><input name='{"reason": "a page", "x": "' value='"}'></form>`;
                document.forms[0].submit()"""
            self.run_script(form, f"{self.url}{pause}")
            self.until("the refusal", lambda: self.browser.current_url.startswith(self.url))
        self.assertEqual(self.paused(), [])
        # What a process of this machine asks for is done, and seen here.
        self.post(pause, {"reason": "a person"})
        self.until("the pause", self.paused)
