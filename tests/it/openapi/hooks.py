"""Keeps schemathesis from what takes long, changes the daemon, or is right by its schema and means nothing."""

import re

import schemathesis

WAIT = re.compile(r"([0-9]{1,4}ms|[0-9]s|[1-5][0-9]s|60s|[01]m)")
# More filters than these at a time are refused.
QUERY_MAX = 20
VERBS = ["rebuild", "abort", "pause", "resume", "promote", "rollback", "retire", "verify"]


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query if isinstance(case.query, dict) else {}
    body = case.body if isinstance(case.body, dict) else {}
    for asked in (query, body):
        # Nothing is to be waited for.
        if isinstance(asked.get("wait"), str) and WAIT.fullmatch(asked["wait"]):
            asked["wait"] = "1ms"
    path = case.path_parameters if isinstance(case.path_parameters, dict) else {}
    if path.get("verb") in VERBS:
        path["verb"] = "verify"
    if not case.meta.generation.mode.is_positive:
        return
    # What nobody gave out, and a column twice.
    query.pop("pageToken", None)
    if isinstance(query.get("sort"), (list, str)):
        names = query["sort"].split(",") if isinstance(query["sort"], str) else query["sort"]
        query["sort"] = ",".join({name.removeprefix("-"): name for name in names}.values())
    needed = {parameter.name for parameter in case.operation.query if parameter.is_required}
    for name in [name for name in query if name not in needed][QUERY_MAX:]:
        del query[name]
