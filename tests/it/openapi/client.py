"""Asks a daemon by the client that openapi-python-client makes of its document: `client.py URL TOKEN`, with the client's folder on the path."""

import datetime
import sys

from made import AuthenticatedClient
from made.api.rows import get_row_placed, list_rows_types, run_query_dear
from made.api.search import search_found

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)

rows = {row.id: row for row in list_rows_types.sync(client=client).items}
every = rows["all"]
assert every.large == 9223372036854775807, every
assert (every.small, every.flag, every.amount, every.beyond) == (-2147483648, True, "-12.50", "Infinity"), every
assert every.day == datetime.date(1969, 12, 31), every
assert every.at == datetime.datetime(2026, 11, 30, 10, 0, 0, 123456, tzinfo=datetime.timezone.utc), every
assert every.tags == ["x", None, "y"] and every.numbers["b"] is None and every.line.price == "1.250", every
assert every.anything == {"a": [1, None, {"b": "c"}]}, every
none = rows["none"]
assert {none.flag, none.large, none.amount, none.day, none.at, none.tags, none.line, none.beyond} == {None}, none

# A slash belongs to the key.
answer = get_row_placed.sync("c/d é", datetime.date(2026, 3, 12), 2, client=client)
assert (answer.item.cents, answer.item.status) == ("14.20", "A,B"), answer
assert answer.freshness.state == "live" and answer.freshness.positions["orders"] > 0, answer
missing = get_row_placed.sync("nobody", datetime.date(2026, 3, 12), 2, client=client)
assert missing.type_ == "urn:readside:problem:not-found" and missing.status == 404, missing

page = list_rows_types.sync(client=client, small_lt=0, sort=["-id"])
assert [row.id for row in page.items] == ["all"], page
dear = run_query_dear.sync(client=client, status="PAID", least="300.00", page_size=3)
assert [row.cents for row in dear.items] == sorted((row.cents for row in dear.items), reverse=True) and len(dear.items) == 3, dear
found = search_found.sync(client=client, text="apples", facet=["status"], highlight=["true"], page_size=2)
assert found.total > 2 and len(found.items) == 2 and found.items[0].item.notes.startswith("red apples"), found
assert found.facets["status"], found
