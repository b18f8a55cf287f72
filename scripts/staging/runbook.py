"""The runbook's sections, as they are written: an incident is ended by what stands there, or it is missed."""

import re
import shlex

from waiting import Missed


class Runbook:
    def __init__(self, text):
        parts = re.split(r"^### (\w+)$", text, flags=re.M)
        self._sections = {alert: Section(alert, said) for alert, said in zip(parts[1::2], parts[2::2])}

    def section(self, alert):
        if alert not in self._sections:
            raise Missed(f"the runbook has no section {alert}")
        return self._sections[alert]


class Section:
    def __init__(self, alert, text):
        self.alert = alert
        said = {name: text for name, text in re.findall(r"\*\*([^*]+)\.\*\* ?(.*?)(?=\n\*\*|\Z)", text, flags=re.S)}
        # The names of the rows of the dashboard at which it sends its reader.
        self.rows = re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", said["What you see"])
        self._steps = re.findall(r"^(\d+)\. (.*)$", said["What to do"], flags=re.M)

        self._last = 0

    def command(self, template, **names):
        """The number of the step that has this command, and the words of the command with names in the place of capitals."""
        for number, step in self._from_the_last_on():
            if template in re.findall(r"`([^`]+)`", step):
                names = {"WHY": "an incident is staged"} | names
                words = [names.get(word, word) for word in shlex.split(template)]
                left = [word for word in words if re.fullmatch(r"[A-Z]{3,}", word)]
                if left:
                    raise Missed(f"{self.alert}: nothing says what {left} of `{template}` is")
                self._last = int(number)
                return number, words
        raise Missed(f"the runbook's section {self.alert} has no command `{template}`")

    def step(self, words):
        """The number of the step in which these words stand."""
        for number, step in self._from_the_last_on():
            if words in step:
                self._last = int(number)
                return number
        raise Missed(f"the runbook's section {self.alert} has no step that says: {words}")

    def _from_the_last_on(self):
        """The steps in the order in which they are looked at: a command that stands in several is meant where its reader is."""
        return [step for step in self._steps if int(step[0]) >= self._last] + self._steps
