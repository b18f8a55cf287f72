"""The panels of the dashboard: what they answer while all is well, and which of them show that something is not."""

import json


class Dashboard:
    def __init__(self, text, prometheus):
        self._prometheus = prometheus
        self._panels = {}
        row = None
        for panel in json.loads(text)["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
            else:
                self._panels[(row, panel["title"])] = [_asked(target["expr"]) for target in panel["targets"]]
        self._well = {}

    def remember(self, seconds):
        """What the panels have answered in the last seconds is how it looks while all is well."""
        self._well = {name: self._between(expressions, seconds) for name, expressions in self._panels.items()}

    def changed(self):
        """Rows and titles of the panels whose lines have come, gone, or left the range of before, each with what has changed."""
        found = {}
        for name, expressions in self._panels.items():
            told = self._changes(expressions, self._well[name])
            if told:
                found[name] = told
        return found

    def _between(self, expressions, seconds):
        return [self._prometheus.between(expression, seconds) for expression in expressions]

    def _changes(self, expressions, well):
        told = []
        for expression, before in zip(expressions, well):
            now = self._prometheus.query(expression)
            told += [f"{series} has come: {now[series]:g}" for series in now if series not in before]
            told += [f"{series} has gone" for series in before if series not in now]
            told += [f"{series} is {value:g}" for series, value in now.items() if series in before and _is_outside(value, before[series])]
        return told


def _asked(expression):
    """As Grafana asks it with all projections chosen."""
    for name, value in {"$job": "readside", "$projection": ".*", "$__rate_interval": "20s"}.items():
        expression = expression.replace(name, value)
    return expression


def _is_outside(value, range_before):
    least, most = range_before
    # Where lines tremble, so much is nothing.
    room = 0.25 * (most - least) + 0.02 * max(abs(least), abs(most))
    return value < least - room or value > most + room
