"""Reads over the PostgreSQL protocol with psycopg: `client.py CONNINFO CHECK`. Each check is a function here; it fails by an assertion."""

import datetime
import decimal
import json
import sys
import threading
import time

import psycopg
import sqlalchemy
from psycopg import sql

UTC = datetime.timezone.utc
EXPECTED = {
    "id": "a",
    "n": 9_007_199_254_740_993,
    "small": -7,
    "price": decimal.Decimal("19.90"),
    "rate": 0.1,
    "ok": True,
    "day": datetime.date(2024, 2, 29),
    "at": datetime.datetime(2024, 2, 29, 12, 30, 1, 250_000, tzinfo=UTC),
    "tags": ["x", 'y,"z"', None],
    "sizes": [1, 2],
    "address": {"city": "Köln", "zip": None},
    "counts": {"k": 1},
}


def types(conninfo):
    """Every type comes out the same as a text and in binary, and NULL as nothing."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for binary in (False, True):
            cursor = connection.execute("SELECT * FROM things WHERE id = %s", ["a"], binary=binary)
            names = [column.name for column in cursor.description]
            row = dict(zip(names, cursor.fetchone()))
            assert row == EXPECTED, (binary, row)
            nothing = connection.execute("SELECT * FROM things WHERE id = 'b'", binary=binary).fetchone()
            assert nothing[1:] == (None,) * (len(EXPECTED) - 1), nothing
        numbers = []
        for binary in (False, True):
            # Numbers of the catalog are what clients take them for, and so are lists of them.
            found = connection.execute("SELECT oid, indkey FROM pg_class JOIN pg_index ON indrelid = oid WHERE relname = 'readings'", binary=binary)
            assert [column.type_code for column in found.description] == [26, 22], found.description
            numbers.append(found.fetchone())
        assert numbers[0][0] == numbers[1][0] and numbers[0][0] > 16_384, numbers
        vector = b"".join(number.to_bytes(4, "big") for number in (1, 0, 21, 2, 0)) + b"\0\0\0\2\0\1\0\0\0\2\0\2"
        assert (numbers[0][1], numbers[1][1]) == ("1 2", vector), numbers
        described = connection.execute("SELECT price FROM things").description[0]
        assert (described.precision, described.scale) == (9, 2), described


def parameters(conninfo):
    """Parameters of each type find the row, as texts and in binary; what is none of its type is an error."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for column in ("id", "n", "small", "price", "rate", "ok", "day", "at"):
            query = sql.SQL("SELECT id FROM things WHERE {} = {}")
            for placeholder in (sql.SQL("%s"), sql.SQL("%b"), sql.SQL("%t")):
                found = connection.execute(query.format(sql.Identifier(column), placeholder), [EXPECTED[column]])
                assert found.fetchall() == [("a",)], (column, placeholder)
        assert connection.execute("SELECT $1::int8 + 1 AS n".replace("$1", "%s"), [41]).fetchone() == (42,)
        assert connection.execute("SELECT id FROM things WHERE n = %s", [None]).fetchall() == []
        # Clients that do not say a type send what they are told, as texts.
        raw = connection.pgconn
        for condition, values, expected in (
            ("id = ANY ($1)", ['{a,"q,"}'], b"a"),
            ("NOT (id = ANY ($1))", ["{a}"], b"b"),
            ("n <> ALL ($1)", ["{1,2}"], b"a"),
            ("sizes = $1::bigint[]", ['{"1","2"}'], b"a"),
            ("at > $1::timestamptz AND day < $2", ["2024-02-29 12:30:00+00", "2024-03-01"], b"a"),
            ("price > $1 AND rate < $2 AND ok = $3", ["10", "1", "true"], b"a"),
            ("id >= $1 ORDER BY id LIMIT $2 OFFSET $3", ["a", "1", "1"], b"b"),
        ):
            answer = raw.exec_params(f"SELECT id FROM things WHERE {condition}".encode(), [value.encode() for value in values])
            assert answer.ntuples == 1 and answer.get_value(0, 0) == expected, (condition, answer.error_message)
        try:
            connection.execute("SELECT id FROM things WHERE n = %s", ["no number"])
            raise AssertionError("a text was taken for a number")
        except psycopg.Error as error:
            assert "$1" in str(error), error


def transactions(conninfo):
    """A transaction at `repeatable read` has one cut; an error ends it until the rollback; savepoints are names."""
    with psycopg.connect(conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = connection.execute("SELECT count(*) AS n FROM things").fetchone()
        print("pinned", flush=True)
        sys.stdin.readline()
        assert connection.execute("SELECT count(*) AS n FROM things").fetchone() == before
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        connection.commit()
        deadline = time.monotonic() + 30
        while connection.execute("SELECT count(*) AS n FROM things").fetchone() == before:
            connection.commit()
            assert time.monotonic() < deadline
        try:
            connection.execute("SELECT nothing FROM things")
        except psycopg.Error:
            pass
        try:
            connection.execute("SELECT 1 AS one")
            raise AssertionError("a transaction that has failed went on")
        except psycopg.errors.InFailedSqlTransaction:
            connection.rollback()
        try:
            connection.execute("INSERT INTO things VALUES ('x')")
            raise AssertionError("something was written")
        except psycopg.errors.ReadOnlySqlTransaction:
            connection.rollback()
        with connection.transaction():
            assert connection.execute("SELECT 1 AS one").fetchone() == (1,)


def cursors(conninfo):
    """Rows come in parts: of a cursor in SQL, of a portal, and of a pipeline."""
    with psycopg.connect(conninfo) as connection:
        for binary in (False, True):
            with connection.cursor("parts", binary=binary) as cursor:
                cursor.itersize = 3
                cursor.execute("SELECT n FROM numbers WHERE n < %s ORDER BY n", [10])
                assert [n for (n,) in cursor] == list(range(10))
        with connection.pipeline():
            cursors = [connection.execute("SELECT n FROM numbers WHERE n = %s", [n]) for n in range(20)]
        assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]
        # Behind it no pipeline works in psycopg, with PostgreSQL neither.
        streamed = connection.cursor().stream("SELECT n FROM numbers ORDER BY n")
        assert sum(n for (n,) in streamed) == sum(range(1_000))


def freshness(conninfo):
    """What a session demands holds for its statements, and what an answer was is told."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        notices = []
        connection.add_notice_handler(lambda notice: notices.append((notice.message_primary, notice.message_detail)))
        connection.execute("SELECT count(*) AS n FROM things")
        told = json.loads(connection.execute("SHOW readside.freshness").fetchone()[0])
        assert told["state"] == "live" and "events" in told["positions"], told
        assert notices == []
        connection.execute("SET readside.notice TO always")
        connection.execute("SELECT count(*) AS n FROM things")
        assert [message for message, _ in notices] == ["freshness: live"], notices
        assert json.loads(notices[0][1])["state"] == "live"
        position = told["positions"]["events"]
        connection.execute(f"SET min_position TO 'events:{position + 1_000}'")
        connection.execute("SET readside.wait TO '50ms'")
        try:
            connection.execute("SELECT count(*) AS n FROM things")
            raise AssertionError("an answer is older than it may be")
        except psycopg.Error as error:
            assert error.sqlstate == "RS001", error.sqlstate
            assert json.loads(error.diag.message_detail)["caughtUpToRequestedPosition"] is False
        connection.execute(f"SET min_position TO 'events:{position}'")
        connection.execute("SELECT count(*) AS n FROM things")
        try:
            connection.execute("SET readside.max_lagg TO '5s'")
        except psycopg.errors.UndefinedObject as error:
            assert 'did you mean "readside.max_lag"?' in str(error), error


def cancels(conninfo):
    """A query that runs long ends when its client asks for that, and the connection goes on."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        threading.Timer(0.5, connection.cancel_safe).start()
        began = time.monotonic()
        try:
            connection.execute("SELECT count(*) AS n FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n > c.n + d.n")
            raise AssertionError("the query was not ended")
        except psycopg.errors.QueryCanceled:
            assert time.monotonic() - began < 20
        assert connection.execute("SELECT 1 AS one").fetchone() == (1,)
        connection.execute("SET statement_timeout TO '200ms'")
        try:
            connection.execute("SELECT count(*) AS n FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n > c.n + d.n")
            raise AssertionError("the query took longer than it may")
        except psycopg.errors.QueryCanceled as error:
            assert "statement timeout" in str(error), error


def bounds(conninfo):
    """At its bounds a session says so, and goes on with what it has."""
    fine, rows = psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK
    with psycopg.connect(conninfo, autocommit=True) as connection:
        raw = connection.pgconn
        for number in range(10):
            # What cannot be prepared takes no place.
            assert raw.prepare(b"wrong%d" % number, b"SELECT nothing FROM things").status not in (fine, rows)
        for number in range(1_000):
            prepared = raw.prepare(b"s%d" % number, b"SELECT %d AS n" % number)
            assert prepared.status == fine, (number, prepared.error_message)
        refused = raw.prepare(b"more", b"SELECT 1 AS one")
        assert refused.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"53000", refused.error_message
        assert raw.exec_prepared(b"s999", []).get_value(0, 0) == b"999"
        assert connection.execute("SELECT id FROM things WHERE id = %s", ["a"]).fetchone() == ("a",)
        connection.execute("DEALLOCATE s7")
        assert raw.prepare(b"more", b"SELECT 1 AS one").status == fine
        connection.execute("DEALLOCATE ALL")
        for number in range(32):
            connection.execute(f"DECLARE c{number} CURSOR WITH HOLD FOR SELECT n FROM numbers WHERE n >= {number} ORDER BY n")
        try:
            connection.execute("DECLARE more CURSOR WITH HOLD FOR SELECT n FROM numbers")
            raise AssertionError("there are more cursors than a session may have")
        except psycopg.Error as error:
            assert error.sqlstate == "53000", error
        assert connection.execute("FETCH 2 FROM c31").fetchall() == [(31,), (32,)]
        connection.execute("CLOSE c0")
        connection.execute("DECLARE more CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n")
        assert connection.execute("FETCH more").fetchone() == (0,)
        connection.execute("CLOSE ALL")


def reflection(conninfo):
    """SQLAlchemy finds the tables, their columns and keys, and reads through what it found."""
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo))
    inspector = sqlalchemy.inspect(engine)
    assert inspector.get_table_names() == ["numbers", "readings", "samples", "things"], inspector.get_table_names()
    assert inspector.get_view_names() == ["totals"]
    assert "public" in inspector.get_schema_names()
    columns = {column["name"]: str(column["type"]) for column in inspector.get_columns("things")}
    assert columns["price"] == "NUMERIC(9, 2)" and columns["at"] == "TIMESTAMP", columns
    assert columns["tags"] == "ARRAY" and columns["address"] == "JSON", columns
    nullable = {column["name"]: column["nullable"] for column in inspector.get_columns("things")}
    assert (nullable["id"], nullable["n"]) == (False, True)
    assert inspector.get_pk_constraint("things")["constrained_columns"] == ["id"]
    assert inspector.get_foreign_keys("things") == [] and inspector.get_unique_constraints("things") == []
    assert inspector.get_indexes("things") == []
    reflected = sqlalchemy.MetaData()
    reflected.reflect(engine)
    things = reflected.tables["things"]
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.select(things.c.id, things.c.n).where(things.c.ok.is_(True))).all()
        assert rows == [("a", EXPECTED["n"])], rows


def token_ends(conninfo):
    """A session ends when its token does."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        assert connection.execute("SELECT id FROM guarded").fetchall() == [("a",)]
        print("reads", flush=True)
        deadline = time.monotonic() + 30
        try:
            while time.monotonic() < deadline:
                connection.execute("SELECT id FROM guarded")
                time.sleep(0.1)
            raise AssertionError("the session goes on")
        except psycopg.OperationalError as error:
            assert "nobody has this token" in str(error), error


globals()[sys.argv[2]](sys.argv[1])
print("ok", flush=True)
