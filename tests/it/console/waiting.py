"""A daemon that does not answer."""

import os
import signal

from browser import Case

PROCESS = int(os.environ["CONSOLE_PROCESS"])


class Waiting(Case):
    def test_it_is_told_without_losing_what_was_shown(self):
        self.refusals = 100
        self.open("#/")
        shown = self.rows("Projections")
        os.kill(PROCESS, signal.SIGSTOP)
        try:
            told = self.until("the note", lambda: self.text("#connection"))
            self.assertRegex(told, r"The daemon does not answer since \d\d:\d\d:\d\d .* What is shown is of \d\d:\d\d:\d\d")
            self.assertEqual([row[0] for row in self.rows("Projections")], [row[0] for row in shown])
        finally:
            os.kill(PROCESS, signal.SIGCONT)
        self.until("an answer", lambda: self.text("#connection") == "")
