"""Incidents of sources: they are dead, give what does not fit, or lose what was not read."""

import json

from incident import Incident
from waiting import wait_for

SILENT, HALTED, PARKED, OVERTAKES = "ReadsideSourceSilent", "ReadsideSourceHalted", "ReadsideSourceEventsParked", "ReadsideRetentionOvertakes"
OF_ORDERS = {"source": "orders"}


class SourceDead(Incident):
    """The NATS server is killed."""

    name = "source-dead"
    alert = SILENT
    about = {SILENT: OF_ORDERS}
    panel = ("Intake", "State of the sources")

    def cause(self, stage):
        stage.shop.close()
        stage.nats.kill()

    def steps(self, stage):
        said = stage.do("readside source status NAME", NAME="orders")
        stage.says("the status", said, "disconnected")
        said = stage.do("curl -s localhost:8080/readyz")
        stage.says("/readyz", said, "orders")
        stage.by_hand("Is NATS up", "NATS is started again", stage.nats.start)
        stage.shop.reconnect()
        stage.shop.publish(100)


class PoisonFlood(Incident):
    """Thousands of events whose amount is a text, three times as many as may be parked."""

    name = "poison-flood"
    alert = HALTED
    others = (PARKED,)
    about = {HALTED: OF_ORDERS, PARKED: OF_ORDERS}
    panel = ("Intake", "State of the sources")
    settings = "parked: {max_events: 1000}\n"

    def cause(self, stage):
        stage.shop.publish_raw(json.dumps({"customer": "c1", "cents": "many"}) for _ in range(3000))

    def steps(self, stage):
        said = stage.do("readside source status NAME", NAME="orders")
        stage.says("the status", said, "parked")
        raised = "raise `parked.max_events` in the root file"
        stage.by_hand(raised, "`parked.max_events` is raised", lambda: stage.change("readside.yaml", "max_events: 1000", "max_events: 5000"))
        stage.do("readside reload")
        wait_for("the source does not go on", lambda: stage.daemon.metric("source_parked_events", 'source="orders"') >= 3000)
        said = stage.do("readside parked list --source NAME", alert=PARKED, NAME="orders")
        stage.says("the list", said, "wrong_type", "/cents")
        stage.do("readside parked discard SOURCE --parked-for REASON --reason WHY", alert=PARKED, SOURCE="orders", REASON="wrong_type")


class FailedUpcaster(Incident):
    """Orders of an old version, of whose prices some have a currency behind them that the upcaster does not expect."""

    name = "failed-upcaster"
    alert = PARKED
    about = {PARKED: OF_ORDERS}
    panel = ("Errors", "Parked events")
    source = """\
source: orders
jetstream: {stream: ORDERS, filter_subjects: ["orders.>"]}
envelope: {type: header:Type, version: [header:Version, const:2]}
events:
  Placed:
    version: 2
    fields: {customer: string!, cents: int64!, note: string}
    history:
      1: {fields: {cents: none, price: string!}, to_next: {set: {cents: "CAST(price AS BIGINT) * 100"}}}
"""

    def cause(self, stage):
        bodies = [json.dumps({"customer": "c1", "price": f"{number}" if number % 2 else f"{number} EUR"}) for number in range(100)]
        for number in range(100):
            stage.shop.counts("c1", number * 100)
        stage.shop.publish_raw(bodies, version="1")

    def steps(self, stage):
        said = stage.do("readside parked list --source NAME", NAME="orders")
        stage.says("the list", said, "upcast")
        sequence = stage.daemon.get("/v1/parked?source=orders")[1]["items"][0]["sequence"]
        said = stage.do("readside parked show SOURCE SEQUENCE", SOURCE="orders", SEQUENCE=str(sequence))
        stage.says("the message", said, "EUR")
        mended = lambda: stage.change("source.yaml", "CAST(price AS BIGINT)", "CAST(split_part(price, ' ', 1) AS BIGINT)")
        stage.by_hand("The declaration is wrong: correct it", "the upcaster is corrected", mended)
        # Orders of that version were admitted in the other way, so that it cannot be taken in place.
        said = stage.do("readside parked replay", allows=(1,))
        stage.says("the refusal", said, "reload")
        stage.do("readside reload")
        stage.waits("totals")
        stage.do("readside projection promote NAME --reason WHY", NAME="totals")


class RetentionOvertaking(Incident):
    """Somebody has paused the source, and the stream keeps the last 3,000 messages."""

    name = "retention-overtaking"
    alert = OVERTAKES
    about = {OVERTAKES: OF_ORDERS}
    panel = ("Intake", "Until retention overtakes")
    stream = {"max_msgs": 3000}
    load = 40

    def prepare(self, stage):
        # The stream is full, so that each new message drops the oldest one.
        stage.shop.publish(2900)

    def cause(self, stage):
        code, text = stage.daemon.command(["source", "pause", "orders", "--reason", "maintenance"])
        assert code == 0, text

    def steps(self, stage):
        stage.by_hand("raise its limits at the NATS server", "`max_msgs` of the stream is raised", lambda: stage.shop.update_stream(max_msgs=100_000))
        said = stage.do("readside source list")
        stage.says("the list", said, "paused")
        stage.do("readside source resume NAME", NAME="orders")
