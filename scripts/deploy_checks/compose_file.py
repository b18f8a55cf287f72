"""The compose file: against the specification's schema, the files that it mounts, and the environment that it gives the daemon."""

import json
from pathlib import Path

import compose
import jsonschema
import yaml

import amounts
import program
from report import Wrong


def check(report, deploy):
    folder = deploy / "compose"
    file = {}

    def load():
        file.update(yaml.safe_load((folder / "compose.yaml").read_text()))
        schema = json.loads((Path(compose.__path__[0]) / "config/compose_spec.json").read_text())
        for error in jsonschema.Draft201909Validator(schema).iter_errors(file):
            raise Wrong(f"{'/'.join(str(part) for part in error.path)}: {error.message}")
        return f"{len(file['services'])} services"

    report.check("compose: the specification's schema", load)
    report.check("compose: images, volumes and services", lambda: references(folder, file))
    report.check("compose: ports, time and memory as configured", lambda: as_configured(deploy, file))
    report.check("compose: promtool reads the configuration of Prometheus", lambda: prometheus(deploy, file))
    report.check("compose: Grafana's datasource and dashboard", lambda: grafana(folder, file))


def references(folder, file):
    for name, service in file["services"].items():
        tag = service["image"].rsplit("/", 1)[-1].partition(":")[2]
        if tag in ("", "latest"):
            raise Wrong(f"`{name}` has an image of no version")
        for other in service.get("depends_on", {}):
            if other not in file["services"]:
                raise Wrong(f"`{name}` depends on `{other}`, which is no service")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                # Paths of the repository itself are there for a copy of deploy/ too.
                path = source.removeprefix("../../")
                base = Path(__file__).parents[2] if path != source else folder
                if not (base / path).exists():
                    raise Wrong(f"`{name}` mounts {source}, which does not exist")
            elif source not in file["volumes"]:
                raise Wrong(f"`{name}` mounts `{source}`, which is no volume")
    build = file["services"]["readside"]["build"]
    if not (Path(__file__).parents[2] / build["dockerfile"]).exists():
        raise Wrong(f"{build['dockerfile']} does not exist")


def as_configured(deploy, file):
    readside = file["services"]["readside"]
    environment = readside["environment"]
    if not readside["read_only"] or readside["user"].split(":")[0] == "0" or readside["cap_drop"] != ["ALL"]:
        raise Wrong("readside is not hardened")
    http, metrics = amounts.port(environment["READSIDE_HTTP"]), amounts.port(environment["READSIDE_METRICS"])
    if [int(port.rsplit(":", 1)[1]) for port in readside["ports"]] != [http]:
        raise Wrong(f"it listens on {http}, and {readside['ports']} is published")
    published = [port for service in file["services"].values() for port in service.get("ports", [])]
    if open_to_all := [port for port in published if not port.startswith("127.0.0.1:")]:
        raise Wrong(f"{open_to_all} is published to everybody")
    scraped = scrape(deploy)["static_configs"][0]["targets"]
    if scraped != [f"readside:{metrics}"]:
        raise Wrong(f"metrics are at {metrics}, and Prometheus asks {scraped}")
    if f"readside:{environment['READSIDE_DATA_DIR']}" not in readside["volumes"]:
        raise Wrong("READSIDE_DATA_DIR is no volume")
    root = amounts.shipped_root()
    if amounts.seconds(readside["stop_grace_period"]) <= amounts.drain(root):
        raise Wrong(f"stop_grace_period is less than the {amounts.drain(root):g} s that to end may take")
    # Of compose, g is 2^30.
    return amounts.room(readside["mem_limit"].upper() + "i")


def scrape(deploy):
    jobs = yaml.safe_load((deploy / "compose/prometheus.yaml").read_text())["scrape_configs"]
    if [job["job_name"] for job in jobs] != ["readside"]:
        raise Wrong("the rules ask for the job `readside`")
    return jobs[0]


def mounted(deploy, service, target):
    """The file that a service sees at a path."""
    for volume in service["volumes"]:
        source, at, *_ = volume.split(":")
        if at == target:
            return (deploy / "compose" / source).resolve()
    raise Wrong(f"nothing is mounted at {target}")


def prometheus(deploy, file):
    service = file["services"]["prometheus"]
    config = next(each for each in service["command"] if each.startswith("--config.file=")).partition("=")[2]
    rules = yaml.safe_load(mounted(deploy, service, config).read_text())["rule_files"]
    names = [Path(config).name, *rules]
    return program.promtool("config", {name: mounted(deploy, service, str(Path(config).parent / name)).read_text() for name in names})


def grafana(folder, file):
    service = file["services"]["grafana"]
    mounts = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
    provider = yaml.safe_load((folder / mounts["/etc/grafana/provisioning/dashboards/readside.yaml"]).read_text())["providers"][0]
    shown = [source for at, source in mounts.items() if Path(at).parent == Path(provider["options"]["path"])]
    if not shown or json.loads((folder / shown[0]).read_text())["uid"] != "readside":
        raise Wrong(f"no dashboard is mounted in {provider['options']['path']}")
    source = yaml.safe_load((folder / mounts["/etc/grafana/provisioning/datasources/readside.yaml"]).read_text())["datasources"][0]
    port = file["services"]["prometheus"]["ports"][0].rsplit(":", 1)[1]
    if (source["type"], source["url"]) != ("prometheus", f"http://prometheus:{port}"):
        raise Wrong("the datasource is not the Prometheus beside it")
