"""The unit of systemd, by systemd-analyze: whether it is read, and how exposed it is."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import amounts
from report import Skipped, Wrong

# On its scale to 10. What is left is the network, which the daemon is for, and system calls to set its own priority.
EXPOSURE = 1.5
PROGRAM = "/usr/local/bin/readside"


def check(report, path):
    report.check("systemd: systemd-analyze verify", lambda: verify(path))
    report.check(f"systemd: exposure of at most {EXPOSURE}", lambda: exposure(path))
    report.check("systemd: memory as configured", lambda: memory(path))


def analyze(path, *arguments):
    tool = os.environ.get("SYSTEMD_ANALYZE")
    binary = os.environ.get("READSIDE_BIN")
    if not tool:
        raise Skipped("there is no systemd-analyze")
    if not binary:
        raise Skipped("READSIDE_BIN does not say where the program is")
    with tempfile.TemporaryDirectory() as folder:
        # It looks whether the program is there.
        copy = Path(folder) / path.name
        copy.write_text(path.read_text().replace(PROGRAM, str(Path(binary).resolve())))
        ran = subprocess.run([tool, *arguments, copy], capture_output=True, text=True, timeout=60)
        return ran.returncode, (ran.stdout + ran.stderr).replace(f"{folder}/", "")


def verify(path):
    code, said = analyze(path, "verify", "--man=no")
    # It ends with 0 for keys that it does not know, and only says so.
    ours = [line for line in said.splitlines() if path.name in line]
    if code or ours:
        raise Wrong("; ".join(ours) or said.strip())


def exposure(path):
    code, said = analyze(path, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE * 10:g}")
    figure = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    if code or not figure:
        raise Wrong(figure[0] if figure else said.strip())
    return figure[1]


def memory(path):
    figure = re.search(r"^MemoryMax=(\d+[KMGT]?)$", path.read_text(), re.MULTILINE)
    if not figure:
        raise Wrong("it has no MemoryMax")
    # Of systemd, G is 2^30.
    return amounts.room(f"{figure[1]}i" if figure[1][-1].isalpha() else figure[1])
