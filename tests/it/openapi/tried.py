"""Holds a daemon to its own OpenAPI document: `tried.py URL TOKEN FOLDER`.

The document is validated; a client that is made of it reads rows (client.py); then schemathesis asks what it describes and what it rules
out, and compares each answer with it. It ends with another status than 0 where anything differs.
"""

import copy
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

from openapi_spec_validator import validate

# The same every time.
SEED = "20261130"
# Of the whole run.
SECONDS = "50"
# What administrators do, but for what can be done again and again: see hooks.py.
LEFT_OUT = r"^/v1/admin/(sources|parked)"

CONFIGURATION = """
hooks = {hooks!r}
warnings = false

[phases]
stateful.enabled = false

[checks]
# Of what is right by its schema, what no schema says: too much of it, a relation at another position, a row that is not there.
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 404, 409, 414, 422, 429, 503]
# Of what is wrong by its schema, beside what is usual: too much of it for a head of HTTP.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 431]

# What is right there depends on the relation, or is a language of its own.
[[operations]]
include-path-regex = '^/v1/(tables/\\{{name\\}}|queries/\\{{name\\}}|search/|sql|parked/|admin/)'
checks.positive_data_acceptance.enabled = false
"""


def closed(value, within_all=False):
    """The same schemas without room for members that they do not name: clients must leave it, and the daemon must not use it."""
    if isinstance(value, list):
        return [closed(item, within_all) for item in value]
    if not isinstance(value, dict):
        return value
    together = "allOf" in value
    shut = {key: closed(item, key == "allOf") for key, item in value.items()}
    if together:
        shut["unevaluatedProperties"] = False
    elif "properties" in value and not within_all and "additionalProperties" not in value:
        shut["additionalProperties"] = False
    return shut


def strict(document):
    schemas = document["components"]["schemas"]
    # Members of these stand beside others.
    parts = {part["$ref"].rsplit("/", 1)[1] for part in parts_of(document) if "$ref" in part}
    for name in list(schemas):
        schemas[name] = closed(schemas[name], within_all=name in parts)
    document["components"]["responses"] = closed_contents(document["components"]["responses"])
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"] = closed_contents(operation["responses"])
    return document


def closed_contents(answers):
    answers = copy.deepcopy(answers)
    for answer in answers.values():
        for content in answer.get("content", {}).values():
            # Bytes have none.
            if "schema" in content:
                content["schema"] = closed(content["schema"])
    return answers


def parts_of(value):
    """All schemas within an `allOf`."""
    if isinstance(value, list):
        for item in value:
            yield from parts_of(item)
    if isinstance(value, dict):
        yield from value.get("allOf", [])
        for item in value.values():
            yield from parts_of(item)


def use_client(document, folder, url, token):
    (folder / "whole.json").write_text(json.dumps(document))
    # Words are texts, and nothing is formatted by another program.
    (folder / "client.yaml").write_text("post_hooks: []\nliteral_enums: true\n")
    make = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "whole.json", "--output-path", "made"]
    subprocess.run(make + ["--meta", "none", "--config", "client.yaml", "--fail-on-warning"], cwd=folder, check=True)
    script = pathlib.Path(__file__).with_name("client.py")
    subprocess.run([sys.executable, script, url, token], env=os.environ | {"PYTHONPATH": str(folder)}, check=True)


def main():
    url, token, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    asked = urllib.request.Request(f"{url}/v1/openapi.json", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked) as answer:
        document = json.load(answer)
    validate(document)
    use_client(document, folder, url, token)
    (folder / "openapi.json").write_text(json.dumps(strict(document)))
    hooks = pathlib.Path(__file__).with_name("hooks.py")
    (folder / "schemathesis.toml").write_text(CONFIGURATION.format(hooks=str(hooks)))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "openapi.json"]
    command += ["--url", url, "--header", f"Authorization: Bearer {token}", "--exclude-path-regex", LEFT_OUT]
    command += ["--seed", SEED, "--max-time", SECONDS, "--max-examples", "15", "--continue-on-failure", "--no-color"]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    sys.exit(subprocess.run(command, cwd=folder, env=os.environ | {"NO_COLOR": "1"}).returncode)


main()
