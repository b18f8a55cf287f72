"""What the checks say: a line each, and whether one has failed."""

import os
import subprocess

import yaml


class Wrong(Exception):
    """What is wrong, in words for whoever wrote the file."""


class Skipped(Exception):
    """What is missing for a check."""


class Report:
    def __init__(self):
        self.counts = {"fine": 0, "WRONG": 0, "skipped": 0}

    def check(self, name, body):
        """Runs one check; what it returns is said beside it."""
        try:
            said = body()
            self._line("fine", name, said)
        except Wrong as wrong:
            self._line("WRONG", name, wrong)
        except Skipped as skipped:
            # Where nobody looks, what is skipped is forgotten.
            self._line("WRONG" if os.environ.get("CI") == "true" else "skipped", name, skipped)
        except (LookupError, TypeError, AttributeError, ValueError, OSError, yaml.YAMLError, subprocess.SubprocessError) as error:
            # A file that lacks what each of them has, or a tool that does not come to an end.
            self._line("WRONG", name, f"{type(error).__name__}: {error}")

    def _line(self, verdict, name, said):
        self.counts[verdict] += 1
        said = " ".join(str(said or "").split())
        print(f"{verdict:8}{name}" + (f": {said[:1000]}" if said else ""), flush=True)

    def verdict(self):
        """The exit code."""
        print(", ".join(f"{count} {verdict}" for verdict, count in self.counts.items()))
        return 1 if self.counts["WRONG"] else 0
