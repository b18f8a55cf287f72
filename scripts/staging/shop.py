"""The shop whose orders the staged daemons read: its configuration, its events, and the rows that these must give."""

import json
import threading
import time

from nats import NatsClient

STREAM = {"name": "ORDERS", "subjects": ["orders.>"], "storage": "file", "num_replicas": 1}
SOURCE = """\
source: orders
jetstream: {stream: ORDERS, filter_subjects: ["orders.>"]}
envelope: {type: header:Type, version: header:Version}
events:
  Placed: {fields: {customer: string!, cents: int64!, note: string}}
"""
TOTALS = """\
projection: totals
owner: team-sales
freshness: {slo: 2s, objective: 99%}
key: [customer]
sql: SELECT customer, count(*) AS orders, sum(cents) AS cents FROM orders.placed GROUP BY customer
"""
CUSTOMERS = 40


class Shop:
    """Publishes orders, and remembers what they come to."""

    def __init__(self, server, user=None):
        self._server = server
        self._user = user
        self.client = NatsClient(server, user)
        self.totals = {}
        self._count = 0
        self._lock = threading.Lock()
        self._load = None

    def reconnect(self):
        """After the server was started again."""
        self.client.close()
        self.client = NatsClient(self._server, self._user)

    def create_stream(self, **limits):
        self.client.api("STREAM.CREATE.ORDERS", STREAM | limits)

    def update_stream(self, **limits):
        self.client.api("STREAM.UPDATE.ORDERS", STREAM | limits)

    def publish(self, count, client=None, **more):
        """So many orders; further members of their payloads are named."""
        (client or self.client).publish([self._order(more) for _ in range(count)])

    def publish_raw(self, bodies, version="1"):
        """What is no order, or one of another version. It counts only where `counts` says so."""
        self.client.publish(("orders.other", {"Type": "Placed", "Version": version}, body) for body in bodies)

    def counts(self, customer, cents):
        with self._lock:
            orders, sum_of_cents = self.totals.get(customer, (0, 0))
            self.totals[customer] = (orders + 1, sum_of_cents + cents)

    def _order(self, more):
        with self._lock:
            number = self._count
            self._count += 1
        customer, cents = f"c{number % CUSTOMERS}", number % 977 + 1
        self.counts(customer, cents)
        return f"orders.{customer}", {"Type": "Placed"}, json.dumps({"customer": customer, "cents": cents} | more)

    def open(self, a_second, **more):
        """Goes on selling so many a second, in a thread, until it is closed."""
        self._load = Load(lambda client: self.publish(max(1, a_second // 10), client, **more), self._server, self._user)

    def close(self):
        if self._load:
            self._load.end()
            self._load = None


class Load:
    def __init__(self, sell, server, user):
        self._ends = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(sell, server, user), daemon=True)
        self._thread.start()

    def _run(self, sell, server, user):
        client = NatsClient(server, user)
        try:
            while not self._ends.is_set():
                until = time.monotonic() + 0.1
                sell(client)
                self._ends.wait(max(0.0, until - time.monotonic()))
        except OSError as error:
            self._failure = error
        finally:
            client.close()

    def end(self):
        self._ends.set()
        self._thread.join()
        if self._failure:
            raise self._failure
