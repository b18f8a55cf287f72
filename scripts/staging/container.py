"""A control group with a limit of memory, which the daemon sees as a container does. Only root may make one."""

import os
from pathlib import Path

from waiting import Missed

# Of the first version of control groups, and of the second.
FIRST = Path("/sys/fs/cgroup/memory")
SECOND = Path("/sys/fs/cgroup")
# Enters the group, and then sees it as the root of all groups.
ENTER = """\
echo $$ > "$1/cgroup.procs"
exec unshare --mount sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$@"
"""


class ControlGroup:
    def __init__(self, name):
        is_first = FIRST.is_dir()
        self._root = FIRST if is_first else SECOND
        self._folder = self._root / f"readside-{name}-{os.getpid()}"
        self._limit = self._folder / ("memory.limit_in_bytes" if is_first else "memory.max")
        try:
            self._folder.mkdir()
            self.allow(8 << 30)
        except OSError as error:
            raise Missed(f"a control group with a limit of memory cannot be made: {error}") from error

    def allow(self, limit):
        """So many bytes."""
        self._limit.write_text(str(limit))

    def command(self, words):
        """The words as a command that runs in the group."""
        return ["sh", "-c", ENTER, "sh", str(self._folder), str(self._root), *words]

    def remove(self):
        """Once nothing runs in it any more."""
        self._folder.rmdir()
