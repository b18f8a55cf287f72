"""Stages the incidents that are named, or all, one after the other, and prints a row of the table for each."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import of_daemons
import of_projections
import of_sources
from incident import Outcome, stage_it
from stage import Stage
from waiting import Missed

INCIDENTS = [
    of_sources.SourceDead,
    of_projections.SlowProjection,
    of_sources.PoisonFlood,
    of_daemons.DiskFull,
    of_sources.RetentionOvertaking,
    of_sources.FailedUpcaster,
    of_projections.MemoryNearLimit,
    of_daemons.ContainerNearLimit,
    of_projections.Drift,
    of_daemons.Fenced,
    of_projections.StuckBuild,
    of_projections.StalledBuild,
]
HEAD = ["Incident", "Alerts", "Seconds until they fire", "Fires with them", "Panel", "Steps that ended it", "Seconds until it ended"]


def main():
    arguments = parse()
    if arguments.list:
        for incident in INCIDENTS:
            print(f"{incident.name:24}{incident.__doc__}")
        return
    if not os.access(os.environ["READSIDE_BIN"], os.X_OK):
        sys.exit(f"incidents: there is no program {os.environ['READSIDE_BIN']}; build it with `cargo build --release --locked`, or set READSIDE_BIN")
    # What was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [incident for incident in INCIDENTS if not arguments.names or incident.name in arguments.names]
    outcomes = [run(incident(), arguments) for incident in chosen]
    print("| " + " | ".join(HEAD) + " |\n" + "|" + "---|" * len(HEAD))
    for outcome in outcomes:
        print(row(outcome))
    missed = [outcome for outcome in outcomes if outcome.missed]
    for outcome in missed:
        print(f"\n{outcome.incident.name} is missed: {outcome.missed}", file=sys.stderr)
    sys.exit(1 if missed else 0)


def parse():
    names = [incident.name for incident in INCIDENTS]
    parser = argparse.ArgumentParser(prog="scripts/incidents", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all if none is named")
    parser.add_argument("--list", action="store_true", help="print the names, and what each is")
    parser.add_argument("--factor", type=float, default=20, help="by what every time in the rules is divided (20)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and files of each incident in a folder there")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(names))
    if unknown:
        parser.error(f"there is no incident {', '.join(unknown)}")
    # Below, a window has no two samples of a scrape a second.
    if not 1 <= arguments.factor <= 60:
        parser.error("--factor is from 1 to 60")
    return arguments


def run(incident, arguments):
    outcome = Outcome(incident)
    began = time.monotonic()

    def say(text):
        print(f"{incident.name} {time.monotonic() - began:4.0f} s: {text}", file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix=f"readside-{incident.name}-"))
    stage = Stage(folder, arguments.factor, incident)
    try:
        stage_it(stage, outcome, say)
        say("the rows are right, and no alert is left")
    except (Missed, OSError, LookupError, AssertionError) as missed:
        outcome.missed = f"{type(missed).__name__}: {missed}"
        say(f"missed: {outcome.missed}")
    finally:
        stage.end()
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            kept = arguments.keep / incident.name
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("data", "store"))
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def row(outcome):
    incident = outcome.incident
    missed = f" **missed**: {' '.join(outcome.missed.split())[:200]}" if outcome.missed else ""
    fires = f"{outcome.fires:.0f}" if outcome.fires else "–"
    ends = f"{outcome.ends:.0f}" if outcome.ends else "–"
    alerts = ", ".join(f"`{alert}`" for alert in (incident.alert, *incident.others))
    also = ", ".join(f"`{alert}`" for alert in outcome.also) or "–"
    return "| " + " | ".join([incident.name, alerts, fires, also, outcome.panel or "–", "; ".join(outcome.steps) + missed, ends]) + " |"


main()
