"""The Containerfile, read as text: nothing here builds an image."""

import re

from report import Wrong


def check(report, path):
    report.check("container: user, volume, ports and health check", lambda: final_stage(path.read_text()))


def final_stage(text):
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    start = max(index for index, line in enumerate(lines) if line.startswith("FROM "))
    stage = {}
    for line in lines[start:]:
        word, _, rest = line.partition(" ")
        stage.setdefault(word, []).append(rest.strip())
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(stage["ENV"])))
    ports = [environment[key].rsplit(":", 1)[1] for key in ("READSIDE_HTTP", "READSIDE_METRICS")]
    if stage["EXPOSE"] != [" ".join(ports)]:
        raise Wrong(f"EXPOSE is {stage['EXPOSE']}, and it listens on {ports}")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", stage["USER"][-1]):
        raise Wrong("USER is root, or no number")
    if stage["VOLUME"] != [environment["READSIDE_DATA_DIR"]]:
        raise Wrong("READSIDE_DATA_DIR is no volume")
    if "RUN" in stage:
        raise Wrong("the final stage has no shell to RUN anything")
    for word in ("ENTRYPOINT", "CMD"):
        if not stage[word][-1].startswith("["):
            raise Wrong(f"{word} wants a shell, and there is none")
    if not re.search(r'CMD \["/usr/local/bin/readside", "source", "list"\]$', stage["HEALTHCHECK"][-1]):
        raise Wrong("HEALTHCHECK does not ask the daemon by the program itself")
    for line in lines:
        base = line.split()[1] if line.startswith("FROM ") else "scratch"
        if base != "scratch" and base.rpartition(":")[2] in ("latest", base):
            raise Wrong(f"{base} has no version")
