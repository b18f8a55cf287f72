"""Incidents of the daemon as a whole: its disk is full, another one takes its place."""

from incident import Incident
from waiting import wait_for

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


class Fenced(Incident):
    """A second daemon is started over the same data directory."""

    name = "fenced"
    alert = AWAY
    panel = ("Freshness", "Daemons that answer")

    def cause(self, stage):
        stage.start_second()

    def steps(self, stage):
        code = stage.daemon.process.wait(timeout=60)
        stage.by_hand("its last log lines, and its exit code", f"the log says who has taken over, the exit code is {code}")
        stage.says("the log", stage.daemon.log.read_text(), "has taken over this place for checkpoints")
        stage.by_hand("Another daemon took over the data directory", "the other one is stopped, and this one started", lambda: self._replace(stage))

    def _replace(self, stage):
        stage.second.stop()
        stage.daemon.start()
