"""Incidents of the daemon as a whole: its disk is full, another one takes its place."""

from incident import Incident
from waiting import wait_for

NEAR_LIMIT = "ReadsideMemoryNearLimit"
AWAY, OLD, FAILS = "ReadsideAway", "ReadsideCheckpointOld", "ReadsideCheckpointFails"


class DiskFull(Incident):
    """The data directory is on a disk of 16 MiB, and something else fills that."""

    name = "disk-full"
    alert = OLD
    others = (FAILS,)
    panel = ("State and memory", "Checkpoints")
    disk = "16m"

    def cause(self, stage):
        with self._ballast(stage).open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                # There is no room left, as it should be.
                pass

    def steps(self, stage):
        said = stage.do("curl -s localhost:8080/readyz")
        stage.says("/readyz", said, "checkpoint")
        stage.by_hand("make room at `data_dir`", "what filled the disk is removed", self._ballast(stage).unlink)
        wait_for("the log does not say that checkpoints can be written again", lambda: "checkpoints can be written again" in stage.daemon.log.read_text())

    def _ballast(self, stage):
        """As the daemon sees it, in whose namespace the disk is."""
        process = stage.daemon.process.pid
        return stage.folder.__class__(f"/proc/{process}/root{stage.folder}/data/ballast")


class ContainerNearLimit(Incident):
    """The daemon's container is given little more memory than the daemon has, most of it for one projection."""

    name = "container-near-limit"
    alert = NEAR_LIMIT
    panel = ("State and memory", "Resident memory")
    is_contained = True
    projections = (
        """\
projection: distinct_notes
sql: SELECT customer, count(DISTINCT note || CAST(_seq AS VARCHAR)) AS notes FROM orders.placed GROUP BY customer
""",
    )
    load = 1

    def prepare(self, stage):
        stage.shop.publish(12_000, note="n" * 4000)

    def cause(self, stage):
        self.limit = int(self._resident(stage) / 0.93)
        stage.group.allow(self.limit)

    def steps(self, stage):
        said = stage.do("readside projection list")
        stage.says("the list", said, "distinct_notes")
        stage.do("readside projection pause NAME --reason WHY", NAME="distinct_notes")
        wait_for("its state is not freed", lambda: stage.daemon.metric("readside_state_bytes") < 1 << 20)
        stage.by_hand("Restart the daemon", "the daemon is started again", lambda: self._restart(stage))

    def _restart(self, stage):
        stage.daemon.stop()
        stage.daemon.start(group=stage.group)
        wait_for("the daemon takes as much memory as before", lambda: self._resident(stage) < 0.85 * self.limit)

    def _resident(self, stage):
        return stage.daemon.metric("readside_process_resident_memory_bytes")


class Fenced(Incident):
    """A second daemon is started over the same data directory."""

    name = "fenced"
    alert = AWAY
    panel = ("Freshness", "Daemons that answer")

    def cause(self, stage):
        stage.start_second()

    def steps(self, stage):
        code = stage.daemon.process.wait(timeout=60)
        stage.by_hand("Its last log lines, and its exit code", f"the log says who has taken over, the exit code is {code}")
        stage.says("the log", stage.daemon.log.read_text(), "has taken over this place for checkpoints")
        stage.by_hand("Stop that one and start this one again", "the other one is stopped, and this one started", lambda: self._replace(stage))

    def _replace(self, stage):
        stage.second.stop()
        stage.daemon.start()
