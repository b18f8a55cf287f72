"""All checks of one folder, in order. Each module has those of one kind of deployment."""

import sys
from pathlib import Path

import chart
import cluster
import compose_file
import container
import program
import unit
from report import Report


def main():
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: scripts/deploy-checks [FOLDER]")
    deploy = Path(sys.argv[1]).resolve()
    report = Report()
    program.check_made_files(report, deploy)
    for name in ("standalone", "sidecar"):
        folder = f"kubernetes/{name}"
        documents = cluster.read(report, deploy, [folder, "kubernetes/monitoring"])
        if documents:
            cluster.check(report, folder, documents)
    chart.check(report, deploy / "helm/readside")
    compose_file.check(report, deploy)
    unit.check(report, deploy / "systemd/readside.service")
    container.check(report, deploy / "container/Containerfile")
    sys.exit(report.verdict())


main()
