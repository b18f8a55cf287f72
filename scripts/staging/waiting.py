"""Waiting for conditions with deadlines, and what is said when one is not met."""

import socket
import time


class Missed(Exception):
    """What an incident was to show and did not, in words for whoever mends it."""


def wait_for(what, condition, within=120.0, every=0.2):
    """What the condition gives, once that is true; and the seconds that it took."""
    began = time.monotonic()
    while True:
        found = condition()
        if found:
            return found, time.monotonic() - began
        if time.monotonic() - began > within:
            raise Missed(f"after {within:.0f} s: {what}")
        time.sleep(every)


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
