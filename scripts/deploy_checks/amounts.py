"""Durations, sizes and addresses, as configurations of Readside and objects of Kubernetes write them."""

import re
from pathlib import Path

import yaml

from report import Wrong

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_QUANTITY = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _read(text, units, what):
    match = re.fullmatch(r"(\d+)([A-Za-z]*)", str(text))
    if not match or match[2] not in units:
        raise Wrong(f"`{text}` is no {what}")
    return int(match[1]) * units[match[2]]


def seconds(text):
    return _read(text, _SECONDS, "duration")


def size(text):
    return _read(text, _BYTES, "size")


def quantity(text):
    return _read(text, _QUANTITY, "quantity")


def port(address):
    return int(str(address).rsplit(":", 1)[1])


def readers_take(root):
    """The most memory that readers and verifications may take, beside the state, with the defaults of docs/config.md."""
    limits = root.get("limits", {})
    queries = size(limits.get("memory", "256MiB")) * limits.get("concurrency", 8)
    answers = size(root.get("http", {}).get("answers", "256MiB"))
    verification = size(root.get("verify", {}).get("memory", "1GiB"))
    return queries + answers + verification


def shipped_root():
    return yaml.safe_load((Path(__file__).parents[2] / "config/readside.yaml").read_text())


def room(text):
    """Whether what a daemon with the shipped root file may have, as a quantity, leaves anything for the state."""
    memory, taken = quantity(text), readers_take(shipped_root())
    if memory <= taken:
        raise Wrong(f"the memory is {memory >> 20} MiB, of which readers may take {taken >> 20} MiB: nothing is left for state")
    return f"readers may take {taken >> 20} of {memory >> 20} MiB"


def drain(root):
    """The longest from SIGTERM to the end: running queries have their time, and a second; the last checkpoint has four."""
    return seconds(root.get("limits", {}).get("timeout", "30s")) + 5
