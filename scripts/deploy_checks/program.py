"""The program itself, over the configuration of a ConfigMap; and promtool."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import yaml

from report import Skipped, Wrong

SCRIPTS = Path(__file__).parents[1]
# In seconds; a debug build on a busy machine.
DEADLINE = 60

# A root that cannot be written, and in it a user who is not root: a namespace is left for one more, because only root may mount.
CONTAINED = """
set -e
mount --bind "$1" "$1"
for folder in proc dev; do mount --rbind "/$folder" "$1/$folder"; done
mount --bind "$2" "$1/etc/readside" && mount -o remount,bind,ro "$1/etc/readside"
mount --bind "$3" "$1/var/lib/readside"
mount -o remount,bind,ro "$1"
exec unshare --user --map-user=65532 --map-group=65532 --root="$1" --wd=/ \\
    /usr/local/bin/readside run --log-json --watch-config --config /etc/readside/readside.yaml
"""


def check_made_files(report, deploy):
    def body():
        ran = subprocess.run([SCRIPTS / "deploy-files", "--check", deploy], capture_output=True, text=True, timeout=60)
        if ran.returncode:
            raise Wrong((ran.stdout + ran.stderr).strip())
    report.check("files that are made of others", body)


def binary():
    path = os.environ.get("READSIDE_BIN")
    if not path:
        raise Skipped("READSIDE_BIN does not say where the program is")
    return Path(path).resolve()


@contextmanager
def mounted(files):
    """The files as a mounted ConfigMap has them: links to links."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "..first").mkdir()
        (folder / "..data").symlink_to("..first")
        for name, text in files.items():
            (folder / "..first" / name).write_text(text)
            (folder / name).symlink_to(f"..data/{name}")
        yield folder


def environment(**more):
    """Nobody listens at port 1. Of ours, what would change the configuration is left out."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("READSIDE_", "NATS_"))}
    return own | {"NATS_URL": "nats://127.0.0.1:1"} | more


def validate(files):
    program = binary()
    with mounted(files) as folder:
        command = [program, "validate", "--config", folder / "readside.yaml"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=environment())
    if ran.returncode:
        raise Wrong((ran.stdout + ran.stderr).replace(f"{folder}/", "").strip())
    return ran.stdout.splitlines()[0].partition("readside.yaml: ")[2]


def answers(files, paths):
    """Starts a daemon as a container would be, without a NATS, asks the paths, and ends it."""
    program = binary()
    can_contain = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0
    if not can_contain:
        raise Skipped("this system lets nobody make namespaces of users (unshare)")
    # Any ports that are free, so that nothing else on the machine is in the way.
    root = yaml.safe_load(files["readside.yaml"])
    for listener in ("http", "metrics"):
        root[listener]["listen"] = "127.0.0.1:0"
    files = files | {"readside.yaml": yaml.safe_dump(root)}
    with mounted(files) as config, tempfile.TemporaryDirectory() as work:
        container, data, log = Path(work) / "root", Path(work) / "data", Path(work) / "log"
        data.mkdir()
        subprocess.run([SCRIPTS / "container-root", program, container], check=True, timeout=DEADLINE)
        outer = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", CONTAINED, "sh", container, config, data]
        with log.open("w") as stderr:
            process = subprocess.Popen(outer, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment())
        try:
            url = listening(process, log)
            said = [f"{path} {ask(url + path)}" for path in paths]
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=DEADLINE)
        finally:
            process.kill()
            process.wait()
        if code:
            raise Wrong(f"it ended with exit code {code}: {log.read_text()[-500:]}")
        if not any(data.iterdir()):
            raise Wrong("it left nothing in its data directory")
        shutil.rmtree(container)
    for line in said:
        # Alive without a NATS; ready it cannot be.
        if line not in ("/livez 200", "/readyz 503"):
            raise Wrong(f"a probe gets {line}")
    return ", ".join(said) + ", and SIGTERM ends it, from a root that cannot be written"


def listening(process, log):
    """Where it listens, once the log says so."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return "http://" + json.loads(line)["fields"]["http"]
        time.sleep(0.05)
    raise Wrong(f"it does not listen: {log.read_text()[-500:]}")


def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def promtool(what, files):
    """Checks the first of the files, by name; the others are those that it names."""
    folder = os.environ.get("PROMETHEUS_BIN")
    if not folder:
        raise Skipped("there is no promtool")
    with tempfile.TemporaryDirectory() as work:
        for name, text in files.items():
            (Path(work) / name).write_text(text)
        command = [Path(folder) / "promtool", "check", what, next(iter(files))]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, cwd=work)
    said = ran.stdout + ran.stderr
    if ran.returncode:
        raise Wrong(said.strip())
    found = re.search(r"(\d+) rules found", said)
    return found[0] if found else None
