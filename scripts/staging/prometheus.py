"""A Prometheus that scrapes a daemon every second, with the rules of that daemon at a shorter time."""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from waiting import Missed, free_port, wait_for

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"(\d+)(ms|s|m|h|d)"


def shortened(rules, factor):
    """The rules with every time in them divided by one factor, and nothing else changed: how long an expression has to hold (`for`), the
    windows that it looks at (`[5m]`), how far it looks ahead (`predict_linear`), and ages that it compares (`time() - … > 60`)."""

    def duration(found):
        return f"{max(1, round(int(found[2]) * UNITS[found[3]] * 1000 / factor))}ms"

    def seconds(found):
        return f"{found[1]}{int(found[2]) / factor:g}"

    rules = re.sub(rf"^(\s*for: ){DURATION}$", lambda found: found[1] + ("0s" if found[2] == "0" else duration(found)), rules, flags=re.M)
    rules = re.sub(rf"(\[){DURATION}\]", lambda found: f"[{duration(found)}]", rules)
    rules = re.sub(r"(predict_linear\([^()]*, )(\d+)(?=\))", seconds, rules)
    return re.sub(r"(time\(\) - \w+(?:\{[^}]*\})? > )(\d+)", seconds, rules)


class Prometheus:
    def __init__(self, folder, rules, factor, daemon):
        self.folder = folder / "prometheus"
        self.folder.mkdir()
        self.port = free_port()
        (self.folder / "rules.yaml").write_text(shortened(rules, factor))
        target = {"job_name": "readside", "static_configs": [{"targets": [f"127.0.0.1:{daemon.metrics}"]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [target],
        }
        # JSON is YAML.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))
        self.process = None

    def start(self):
        promtool = [os.path.join(os.environ["PROMETHEUS_BIN"], "promtool"), "check", "config", "prometheus.yml"]
        checked = subprocess.run(promtool, cwd=self.folder, capture_output=True, text=True)
        if checked.returncode:
            raise Missed(f"promtool refuses the shortened rules: {checked.stdout}{checked.stderr}")
        command = [
            os.path.join(os.environ["PROMETHEUS_BIN"], "prometheus"),
            "--config.file=prometheus.yml",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for("Prometheus has no samples of the daemon", lambda: self.query('up{job="readside"} == 1'))

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def _ask(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            # While it starts it answers nothing.
            if error.code == 503:
                return None
            raise Missed(f"Prometheus refuses {parameters}: {error.read().decode()}") from error
        except OSError:
            return None

    def query(self, expression):
        """Series, each with its value now."""
        data = self._ask("query", query=expression)
        return {_series(one): float(one["value"][1]) for one in (data or {}).get("result", [])}

    def between(self, expression, seconds):
        """Series, each with the least and the largest of its values of the last seconds."""
        now = time.time()
        data = self._ask("query_range", query=expression, start=now - seconds, end=now, step=1)
        values = {_series(one): [float(value) for _, value in one["values"]] for one in (data or {}).get("result", [])}
        return {series: (min(all_of_it), max(all_of_it)) for series, all_of_it in values.items()}

    def alerts(self, states=("firing",), severities=("page", "ticket")):
        """Names of the alerts in one of these states, and of these severities, each with its instances."""
        found, data = {}, self._ask("alerts")
        if data is None:
            # No answer is no sign that nothing fires.
            raise Missed("Prometheus does not answer")
        for alert in data["alerts"]:
            if alert["state"] in states and alert["labels"]["severity"] in severities:
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found


def _series(one):
    return json.dumps(one["metric"], sort_keys=True)
