"""Incidents of projections: slow, near their limit, not what their SQL gives, or built without getting on."""

from datetime import datetime, timezone

from incident import Incident
from memory import overwrite
from waiting import Missed, wait_for

BURNS, NEAR_LIMIT = "ReadsideFreshnessBudgetBurnsFast", "ReadsideProjectionStateNearLimit"
DRIFTED, STUCK = "ReadsideRowsDrifted", "ReadsideBuildStuck"


class SlowProjection(Incident):
    """A projection that compares each order with all others cannot follow, and holds up the one with a promise."""

    name = "slow-projection"
    alert = BURNS
    about = {BURNS: {"projection": "totals"}}
    panel = ("Freshness", "Lag")
    projections = (
        """\
projection: pairs
key: [position]
sql: |
  SELECT a._seq AS position, count(*) AS larger FROM orders.placed a JOIN orders.placed b ON b.note = a.note AND b.cents > a.cents
  GROUP BY a._seq
""",
    )
    settings = "commit: {max_events: 100}\n"

    def cause(self, stage):
        stage.shop.close()
        stage.shop.open(300, note="compared")

    def steps(self, stage):
        said = stage.do("readside source list")
        stage.says("the list", said, "orders")
        said = stage.do("readside projection status NAME", NAME="totals")
        stage.says("the status", said, "serving")
        stage.do("readside projection pause NAME --reason WHY", NAME="pairs")


class MemoryNearLimit(Incident):
    """A projection that keeps a row of every order comes near its `state_limit`."""

    name = "memory-near-limit"
    alert = NEAR_LIMIT
    about = {NEAR_LIMIT: {"projection": "kept"}}
    panel = ("State and memory", "State of the projections against their limits")
    projections = ("projection: kept\nkey: [position]\nstate_limit: 8MiB\nsql: SELECT _seq AS position, customer, cents, note FROM orders.placed\n",)
    load = 1

    def cause(self, stage):
        limit = 8 << 20
        while (state := stage.daemon.metric("projection_state_bytes", 'projection="kept"')) < 0.88 * limit:
            stage.shop.publish(100, note="n" * 1000)
            position = stage.shop.client.api("STREAM.INFO.ORDERS")["state"]["last_seq"]
            wait_for("the orders are not read", lambda: stage.daemon.metric("readside_source_position") >= position - 5)
            if state >= limit:
                raise Missed("the limit is passed already")

    def steps(self, stage):
        said = stage.do("readside projection status NAME", NAME="kept")
        stage.says("the status", said, "stateLimit", "operators")
        stage.by_hand("Raise `state_limit`", "`state_limit` is raised", lambda: stage.change("projections.yaml", "8MiB", "32MiB"))
        stage.do("readside reload")


class Drift(Incident):
    """A row is changed in the memory of the daemon, as a fault of its memory would; a verification finds it."""

    name = "drift"
    alert = DRIFTED
    about = {DRIFTED: {"projection": "notes"}}
    panel = ("Errors", "Drift")
    projections = ("projection: notes\nkey: [customer]\nsql: SELECT customer, max(note) AS note FROM orders.placed WHERE note <> 'none' GROUP BY customer\n",)
    settings = "verify: {every: 2s}\n"
    right, wrong = "written-by-a-customer-0", "written-by-a-customer-8"

    def prepare(self, stage):
        stage.shop.publish(400)
        stage.shop.publish(1, note=self.right)

    def cause(self, stage):
        places = overwrite(stage.daemon.process.pid, self.right.encode(), self.wrong.encode())
        if not places:
            raise Missed("the row is not found in the memory of the daemon")

    def steps(self, stage):
        said = stage.do("readside projection verify NAME", allows=(2,), NAME="notes")
        stage.says("the verification", said, "note")
        stage.do("readside projection rebuild NAME --reason WHY", NAME="notes")
        wait_for("the build does not wait to be promoted", lambda: stage.build("notes").get("state") == "shadowing")
        said = stage.do("readside projection status NAME", NAME="notes")
        stage.says("the status", said, "note")
        stage.do("readside projection promote NAME", NAME="notes")
        wait_for("the row is not right again", lambda: self._note(stage) == self.right)

    def _note(self, stage):
        answer = stage.daemon.rows("SELECT note FROM notes")
        return answer and answer[0] and answer[0][0]["note"]


class StuckBuild(Incident):
    """A projection is declared in another way, and its stream does not have the first orders any more."""

    name = "stuck-build"
    alert = STUCK
    about = {STUCK: {"projection": "totals", "state": "failed"}}
    panel = ("Builds", "State of the builds")

    def prepare(self, stage):
        stage.shop.publish(200)
        self.middle = datetime.now(timezone.utc)
        stage.shop.publish(200)

    def cause(self, stage):
        stage.shop.client.api("STREAM.PURGE.ORDERS", {"seq": 151})
        stage.change("projections.yaml", "count(*) AS orders,", "count(*) AS orders, max(cents) AS most,")
        code, text = stage.daemon.command(["reload", "--reason", "another column"])
        if code:
            raise Missed(f"the reload is refused: {text}")

    def steps(self, stage):
        said = stage.do("readside projection status NAME", NAME="totals")
        stage.says("the status", said, "failed", "expired")
        time = self.middle.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stage.do("readside projection rebuild NAME --from-timestamp TIME", NAME="totals", TIME=time)


class StalledBuild(Incident):
    """The user of the daemon may make no further consumers, so that a build cannot read beside what is there."""

    name = "stalled-build"
    alert = STUCK
    about = {STUCK: {"projection": "totals", "state": "stalled"}}
    panel = ("Builds", "State of the builds")
    user = "readside"
    may = "authorization: {users: [{user: readside, password: readside}]}\n"
    may_not = (
        "authorization: {users: [{user: readside, password: readside, permissions: {publish: {deny: [\"$JS.API.CONSUMER.CREATE.>\"]}}}]}\n"
    )
    accounts = may

    def cause(self, stage):
        self._allow(stage, self.may_not)
        stage.change("projections.yaml", "count(*) AS orders,", "count(*) AS orders, max(cents) AS most,")
        code, text = stage.daemon.command(["reload", "--reason", "another column"])
        if code:
            raise Missed(f"the reload is refused: {text}")

    def steps(self, stage):
        said = stage.do("readside projection status NAME", NAME="totals")
        stage.says("the status", said, "stalled")
        said = stage.do("readside source list")
        stage.by_hand("`stalled`: its source gives it nothing", "the permission is given back", lambda: self._allow(stage, self.may))

    def _allow(self, stage, accounts):
        stage.nats.configure(accounts)
        stage.nats.reload()
