"""A stage: the servers, the daemon and what watches it, in a folder of their own, and what an incident may do with them."""

import shlex
import subprocess
import time

from container import ControlGroup
from daemon import Daemon, environment, program
from dashboard import Dashboard
from nats import NatsServer
from prometheus import Prometheus
from runbook import Runbook
from shop import TOTALS, Shop
from waiting import Missed, wait_for

ROOT = """\
nats: {{url: "nats://127.0.0.1:{port}"{user}}}
data_dir: data
sources: source.yaml
projections: projections.yaml
checkpoint: {{interval: 1s}}
{more}"""
# What the panels look like while all is well, in seconds.
WELL = 10


class Stage:
    def __init__(self, folder, factor, incident):
        self.folder = folder
        self.factor = factor
        self.incident = incident
        self.done = []
        self.nats = NatsServer(folder, incident.accounts)
        self.group = None
        self.shop = None
        self.daemon = self.second = self.prometheus = self.dashboard = self.runbook = None

    def start(self):
        self.nats.start()
        self.shop = Shop(self.nats, self.incident.user)
        self.shop.create_stream(**self.incident.stream)
        self.write("source.yaml", self.incident.source)
        self.write("projections.yaml", "---\n".join((TOTALS, *self.incident.projections)))
        self.daemon = Daemon(self._root("readside.yaml"))
        if self.incident.is_contained:
            self.group = ControlGroup(self.incident.name)
        self.incident.prepare(self)
        self.daemon.start(self.incident.disk, self.group)
        self.prometheus = Prometheus(self.folder, self._generated("rules"), self.factor, self.daemon)
        self.prometheus.start()
        self.dashboard = Dashboard(self._generated("dashboard"), self.prometheus)
        self.runbook = Runbook(self._generated("runbook"))

    def be_well(self):
        """Waits until everything is served and no alert fires, and remembers how that looks."""
        self.rows_are_right()
        wait_for("an alert fires before the incident", lambda: not self.prometheus.alerts())
        self.shop.open(self.incident.load)
        time.sleep(WELL)
        if self.prometheus.alerts():
            raise Missed(f"an alert fires before the incident: {sorted(self.prometheus.alerts())}")
        self.dashboard.remember(WELL)

    def end(self):
        for process in (self.second, self.daemon, self.prometheus):
            if process:
                process.stop()
        if self.group:
            self.group.remove()
        try:
            if self.shop:
                self.shop.close()
        except OSError:
            # The server of a load may have ended before it.
            pass
        self.nats.kill()

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def change(self, name, before, after):
        """Edits a file of the configuration, as a person would."""
        text = (self.folder / name).read_text()
        if before not in text:
            raise Missed(f"{name} has no {before!r}")
        self.write(name, text.replace(before, after))

    def start_second(self):
        """Another daemon over the same data directory."""
        self.second = Daemon(self._root("second.yaml"))
        self.second.start()

    def do(self, template, alert=None, allows=(0,), **names):
        """Does a command of the runbook's section of an alert, and gives what it printed."""
        number, words = self._section(alert).command(template, **names)
        self.done.append(f"{self._mark(alert)}{number}: `{shlex.join(words)}`")
        if words[0] == "curl":
            return self._curl(words)
        code, text = self.daemon.command(words[1:])
        if code not in allows:
            raise Missed(f"`{template}` of the runbook ends with {code}: {text}")
        return text

    def by_hand(self, words, what, act=None, alert=None):
        """Does what a step of the runbook says in words; `what` says what that is here."""
        number = self._section(alert).step(words)
        self.done.append(f"{self._mark(alert)}{number}: {what}")
        return act() if act else None

    def says(self, what, text, *words):
        """What a command of the runbook has to say, or it did not help."""
        for word in words:
            if word not in text:
                raise Missed(f"{what} does not say {word!r}: {text}")

    def waits(self, name):
        """Waits until what is built of a projection waits to be promoted, and the list says so, as the runbook does."""
        wait_for("nothing waits to be promoted", lambda: self.build(name).get("state") == "shadowing")
        self.says("the list", self.do("readside projection list"), "shadowing")

    def build(self, name):
        return self.daemon.get(f"/v1/projections/{name}")[1]["item"].get("build") or {}

    def rows_are_right(self, within=180):
        """Compares the rows of `totals` with what was sold: all of it, complete."""
        sql = "SELECT customer, orders, cents FROM totals ORDER BY customer"

        def differs():
            answer = self.daemon.rows(sql)
            if not answer:
                return "there is no answer"
            items, freshness = answer
            wanted = [{"customer": name, "orders": of[0], "cents": of[1]} for name, of in sorted(self.shop.totals.items())]
            shown = [{"customer": one["customer"], "orders": int(one["orders"]), "cents": int(one["cents"])} for one in items]
            if shown != wanted:
                return f"{sum(one['orders'] for one in shown)} orders are served, and {sum(one['orders'] for one in wanted)} were sold"
            return f"the answer is incomplete: {freshness}" if freshness.get("incomplete") else None

        last = {}
        wait_for_rows(differs, last, within)

    def _section(self, alert):
        return self.runbook.section(alert or self.incident.alert)

    def _mark(self, alert):
        return f"{alert} " if alert and alert != self.incident.alert else ""

    def _curl(self, words):
        command = [word.replace("localhost:8080", f"127.0.0.1:{self.daemon.http}") for word in words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

    def _root(self, name):
        user = self.incident.user
        known = f', user: {user}, password: {user}' if user else ""
        self.write(name, ROOT.format(port=self.nats.port, user=known, more=self.incident.settings))
        return self.folder / name

    def _generated(self, what):
        command = [program(), "generate", what, "--config", self.daemon.config]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
        if ran.returncode:
            raise Missed(f"`readside generate {what}` ends with {ran.returncode}: {ran.stderr}")
        return ran.stdout


def wait_for_rows(differs, last, within):
    def are_right():
        last["why"] = differs()
        return last["why"] is None

    try:
        wait_for("rows", are_right, within)
    except Missed as missed:
        raise Missed(f"the rows are not right after {within} s: {last['why']}") from missed
