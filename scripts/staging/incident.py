"""What an incident is, and how it is staged from its cause to its end."""

import time
from dataclasses import dataclass, field

from shop import SOURCE
from waiting import Missed, wait_for


class Incident:
    """What every incident has; each says what is otherwise with it."""

    name = ""
    # Of these the first is the one whose section of the runbook ends it.
    alert = ""
    others = ()
    # Which labels its alert has to have.
    about = {}
    # The row of the dashboard, and the panel.
    panel = ("", "")
    source = SOURCE
    projections = ()
    # Further lines of the root file, and of the server's configuration.
    settings = ""
    accounts = ""
    user = None
    # Limits of the stream.
    stream = {}
    # Of the data directory; that of the machine, if it is none.
    disk = None
    # Whether the daemon runs in a control group of its own.
    is_contained = False
    # Orders a second while it is staged.
    load = 20
    # For how long an alert may take to fire, in seconds.
    patience = 150

    def prepare(self, stage):
        """Before the daemon starts."""
        stage.shop.publish(400)

    def cause(self, stage):
        """Begins it."""
        raise NotImplementedError

    def steps(self, stage):
        """Does what the runbook says."""
        raise NotImplementedError


@dataclass
class Outcome:
    incident: Incident
    missed: str = ""
    fires: float = 0.0
    also: list = field(default_factory=list)
    panel: str = ""
    steps: list = field(default_factory=list)
    ends: float = 0.0


def stage_it(stage, outcome, say):
    """Fills the outcome, as far as it comes."""
    incident = stage.incident
    stage.start()
    stage.be_well()
    say("all is well")
    began = time.monotonic()
    incident.cause(stage)
    wanted = (incident.alert, *incident.others)
    wait_for(f"{' and '.join(wanted)} do not fire", lambda: all(_fires(stage, alert) for alert in wanted), incident.patience)
    outcome.fires = time.monotonic() - began
    outcome.also = sorted(set(stage.prometheus.alerts()) - set(wanted))
    say(f"{', '.join(wanted)} fires after {outcome.fires:.0f} s; also {', '.join(outcome.also) or 'nothing'}")
    outcome.panel = _panel(stage, say)
    began = time.monotonic()
    try:
        incident.steps(stage)
    finally:
        outcome.steps = stage.done
    say(f"done: {'; '.join(stage.done)}")
    wait_for(f"it does not end: {wanted}", lambda: not set(wanted) & set(stage.prometheus.alerts(("firing", "pending"))), 300)
    outcome.ends = time.monotonic() - began
    say(f"it has ended after {outcome.ends:.0f} s")
    stage.shop.close()
    stage.rows_are_right()
    # Tickets may stay: what an incident has taken of the budget of freshness is told for days.
    wait_for("other pages go on", lambda: not stage.prometheus.alerts(severities=("page",)), 300)


def _fires(stage, alert):
    about = stage.incident.about.get(alert, {})
    instances = stage.prometheus.alerts().get(alert, [])
    return any(about.items() <= instance["labels"].items() for instance in instances)


def _panel(stage, say):
    """The panel that the incident names, once it shows it: one of a row at which the runbook sends its reader."""
    row, title = stage.incident.panel
    rows = stage.runbook.section(stage.incident.alert).rows
    if row not in rows:
        raise Missed(f"the runbook sends its reader to {rows} of the dashboard, and not to {row}")
    changed, _ = wait_for(f"the panel {title} looks as before", lambda: _changed(stage, (row, title)), 20)
    others = ", ".join(f"{other[0]}: {other[1]}" for other in changed if other != (row, title))
    say(f"{row}: {title}: {'; '.join(changed[(row, title)][:3])}; also changed: {others or 'nothing'}")
    return f"*{row}*: {title}"


def _changed(stage, panel):
    changed = stage.dashboard.changed()
    return changed if panel in changed else None
