"""Incidents of the daemon as a whole: its disk is full, another one takes its place."""

from incident import Incident
from waiting import Missed, wait_for

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
    """The daemon's container may have little more memory than it has, and a projection grows."""

    name = "container-near-limit"
    alert = NEAR_LIMIT
    panel = ("State and memory", "Resident memory")
    is_contained = True
    projections = ("projection: kept\nkey: [position]\nsql: SELECT _seq AS position, customer, cents, note FROM orders.placed\n",)
    load = 1

    def cause(self, stage):
        self.limit = int(self._resident(stage)) + (160 << 20)
        stage.group.allow(self.limit)
        while self._resident(stage) < 0.92 * self.limit:
            stage.shop.publish(200, note="n" * 4000)
            if stage.daemon.process.poll() is not None:
                raise Missed("the daemon was killed before the alert")

    def steps(self, stage):
        said = stage.do("readside projection list")
        stage.says("the list", said, "kept")
        stage.do("readside projection pause NAME --reason WHY", NAME="kept")
        try:
            wait_for("memory is not freed", lambda: self._resident(stage) < 0.89 * self.limit, 30)
        except Missed:
            # What a projection frees the process need not give back.
            stage.by_hand("Raise the container's limit", "the limit is doubled", lambda: stage.group.allow(2 * self.limit))

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
