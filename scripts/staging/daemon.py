"""The program itself: a daemon over a folder of configuration, and commands that ask it."""

import json
import os
import subprocess
import urllib.error
import urllib.request

from waiting import Missed, free_port, wait_for

# In a namespace of its own the data directory is a small disk.
ON_A_SMALL_DISK = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'


def environment(**more):
    """Of ours, what would change the configuration is left out."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("READSIDE_", "NATS_"))}
    return own | more


def program():
    return os.environ["READSIDE_BIN"]


class Daemon:
    def __init__(self, config):
        """Over a root file, whose listeners are added here."""
        self.config = config
        self.folder = config.parent
        self.http, self.metrics = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        listen = f'http: {{listen: "127.0.0.1:{self.http}"}}\nmetrics: {{listen: "127.0.0.1:{self.metrics}"}}\n'
        config.write_text(config.read_text() + listen)
        self.log = config.with_suffix(".log")
        self.process = None

    def start(self, disk=None, group=None):
        """On a disk of that size, in that control group, where one is named."""
        command = [program(), "run", "--log-json", "--config", self.config]
        if disk:
            (self.folder / "data").mkdir(exist_ok=True)
            command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", disk, self.folder / "data", *command]
        if group:
            command = group.command(map(str, command))
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment())
        wait_for("the daemon does not answer", self._is_there)

    def _is_there(self):
        if self.process.poll() is not None:
            raise Missed(f"the daemon has ended with {self.process.returncode}: {self.log.read_text()[-1500:]}")
        try:
            return self.get("/livez")[0] == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def get(self, path):
        """The status and the body, read as JSON where it is some."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def command(self, arguments, within=300):
        """Runs a verb of the program against this daemon: its exit code, and what it printed."""
        own = environment(READSIDE_URL=self.url, READSIDE_CONFIG=str(self.config), READSIDE_ACTOR="on-call")
        ran = subprocess.run(
            [program(), *arguments], cwd=self.folder, env=own, capture_output=True, text=True, timeout=within
        )
        return ran.returncode, ran.stdout + ran.stderr

    def rows(self, sql):
        """The rows of a SELECT, with what the answer says of their freshness; None while there is no answer."""
        code, text = self.command(["query", sql, "--json"])
        if code:
            return None
        answer = json.loads(text)
        return answer["items"], answer["freshness"]

    def metric(self, name, *labels):
        """The sum of the series of a name that have these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        own = (line for line in lines if line.startswith(name + "{") or line.startswith(name + " "))
        return sum(float(line.rsplit(" ", 1)[1]) for line in own if all(label in line for label in labels))
