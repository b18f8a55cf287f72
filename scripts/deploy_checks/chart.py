"""The chart, rendered by Helm's own library: values against their schema, lints, and each rendered object as any other."""

import helm_python
import yaml

import cluster
from report import Wrong

# Another release name, ports and labels than the defaults: what is written down twice would not follow.
MOVED = {
    "ports": {"http": 18080, "metrics": 19464},
    "nats": {"url": "tls://nats.example.com:4222", "credentials_file": "/etc/nats/nats.creds"},
    "volumes": [{"name": "nats", "secret": {"secretName": "nats"}}],
    "volumeMounts": [{"name": "nats", "mountPath": "/etc/nats", "readOnly": True}],
    "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}},
}


def check(report, folder):
    values = {}

    def schema():
        values.update(yaml.safe_load((folder / "ci/shop-values.yaml").read_text()))
        with helm_python.Chart.load(str(folder)) as chart:
            chart.validate_schema(values)
            refused(chart, {}, "values without files")
            refused(chart, values | {"replicas": 2}, "a second replica")
            refused(chart, values | {"root": {"data_dir": "/tmp"}}, "another data_dir")
        return f"Helm {helm_python.helm_sdk_version()}"

    report.check("helm: values.schema.json takes the values of the shop, and refuses others", guarded(schema))
    report.check("helm: lint", guarded(lambda: lint(folder, values)))
    for release, more in (("readside", {}), ("other", MOVED)):
        documents = []
        name = f"helm, release `{release}`"
        report.check(f"{name}: renders", guarded(lambda r=release, m=more, d=documents: render(folder, r, values | m, d)))
        if documents:
            cluster.check(report, name, documents)


def refused(chart, values, what):
    try:
        chart.validate_schema(chart.merge_values(values))
    except helm_python.HelmError:
        return
    raise Wrong(f"{what}: not refused")


def lint(folder, values):
    messages = helm_python.lint(str(folder), values, strict=True)["messages"]
    # 1 is advice, such as to have an icon.
    bad = [f"{each['path']}: {each['error']}" for each in messages if each["severity"] > 1]
    if bad:
        raise Wrong("; ".join(bad))


def render(folder, release, values, documents):
    with helm_python.Chart.load(str(folder)) as chart:
        rendered = chart.render(values, name=release, namespace="shop")
    for path, text in rendered.items():
        if path.endswith(".yaml"):
            documents.extend(each for each in yaml.safe_load_all(text) if each)
        elif path.endswith("NOTES.txt") and release not in text:
            raise Wrong("NOTES.txt does not name the release")
    return f"{len(documents)} objects"


def guarded(body):
    """Helm's errors, and those of YAML, as what is wrong with the chart."""
    def run():
        try:
            return body()
        except (helm_python.HelmError, yaml.YAMLError) as error:
            raise Wrong(str(error).replace("\n", " ")) from error
    return run
