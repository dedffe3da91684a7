"""psycopg 3: the extended protocol in text and binary, prepared statements, pipelines, cursors, COPY."""

import datetime
import sys

import psycopg
from checks import Checks, equal
from psycopg import pq
from psycopg.rows import dict_row
from psycopg.types import TypeInfo

check = Checks("psycopg 3")
where = f"host=127.0.0.1 port={sys.argv[1]} user=spanwise dbname=spanwise"
connection = psycopg.connect(where, autocommit=True)


def ask(sql, values=None, **how):
    with connection.cursor(**{key: value for key, value in how.items() if key == "binary"}) as cursor:
        return cursor.execute(sql, values, prepare=how.get("prepare")).fetchall()


for binary in (False, True):
    form = "binary" if binary else "text"
    check(f"parameters in {form}")(lambda: equal(
        ask("SELECT count(*) FROM spans WHERE http_route = %s AND duration_ms < %s", ("/products/{id}", 50.0), binary=binary),
        [(30,)]))
    check(f"types in {form}")(lambda: equal(
        [type(value).__name__ for value in ask(
            "SELECT name, duration_ms, error, start_time, http_response_status_code FROM spans LIMIT 1", binary=binary)[0]],
        ["str", "float", "bool", "datetime", "int"]))
    check(f"catalogs in {form}")(lambda: equal(
        ask("SELECT oid, typname, typlen, typbyval, typtype FROM pg_type WHERE typname = %s", ("int4",), binary=binary),
        [(23, "int4", 4, True, "b")]))
    check(f"arrays in {form}")(lambda: equal(
        ask("SELECT count(*) FROM spans WHERE http_route = ANY(%s)", (["/orders", "/nothing"],), binary=binary), [(1,)]))
    check(f"times in {form}")(lambda: equal(
        ask("SELECT count(*) FROM spans WHERE start_time > %s AND start_time < %s",
            (datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc),
             datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)), binary=binary), [(31,)]))
    check(f"LIMIT in {form}")(lambda: equal(len(ask("SELECT name FROM spans LIMIT %s OFFSET %s", (5, 2), binary=binary)), 5))
    check(f"oidvector and int2vector in {form}")(lambda: equal(
        ask("SELECT proargtypes::text FROM pg_proc WHERE proname = %s", ("array_to_string",), binary=binary)[0], ("2277 25",)))

check("prepared")(lambda: [equal(ask("SELECT count(*) FROM spans WHERE name = %s", ("POST /orders",), prepare=True), [(1,)]) for _ in range(7)])


@check("a named cursor")
def _():
    with connection.transaction(), connection.cursor(name="reader") as cursor:
        cursor.itersize = 4
        cursor.execute("SELECT name FROM spans WHERE duration_ms < %s", (50.0,))
        equal(len(list(cursor)), 30)


@check("a named cursor in binary")
def _():
    with connection.transaction(), connection.cursor(name="binary", binary=True) as cursor:
        cursor.execute("SELECT duration_ms FROM spans WHERE http_route = '/orders'")
        equal(cursor.fetchall(), [(80.0,)])


@check("a cursor that scrolls")
def _():
    with connection.transaction(), connection.cursor(name="scroll", scrollable=True) as cursor:
        cursor.execute("SELECT * FROM generate_series(1, 10) AS t(n)")
        equal(cursor.fetchmany(4), [(1,), (2,), (3,), (4,)])
        cursor.scroll(-3)
        equal(cursor.fetchone(), (2,))
        cursor.scroll(9, mode="absolute")
        equal(cursor.fetchall(), [(10,)])


@check("a stream")
def _():
    with connection.cursor() as cursor:
        equal(len([row for row in cursor.stream("SELECT name FROM spans WHERE duration_ms < %s", (50.0,))]), 30)


@check("COPY TO as text")
def _():
    with connection.cursor() as cursor, cursor.copy("COPY (SELECT http_route, duration_ms FROM spans WHERE duration_ms > 50) TO STDOUT") as copy:
        equal(list(copy.rows()), [("/orders", "80")])


@check("COPY TO in binary")
def _():
    with connection.cursor() as cursor, cursor.copy(
            "COPY (SELECT http_route, duration_ms, http_response_status_code, NULL::text FROM spans WHERE duration_ms > 50) TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["text", "float8", "int8", "text"])
        equal(list(copy.rows()), [("/orders", 80.0, 200, None)])


@check("COPY of catalogs")
def _():
    with connection.cursor() as cursor, cursor.copy("COPY (SELECT typname, oid FROM pg_type WHERE typname = 'bool') TO STDOUT") as copy:
        equal(list(copy.rows()), [("bool", "16")])


@check("a pipeline")
def _():
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int + 1", (n,)) for n in range(20)]
        other = connection.execute("SELECT count(*) FROM spans")
        equal([cursor.fetchone() for cursor in cursors], [(n + 1,) for n in range(20)])
        equal(other.fetchone(), (31,))


@check("an error within a pipeline")
def _():
    try:
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.execute("SELECT nothing_like_it FROM spans")
            connection.execute("SELECT 2")
        raise AssertionError("expected an error")
    except psycopg.errors.UndefinedColumn:
        pass
    equal(ask("SELECT 3"), [(3,)])


@check("types by name")
def _():
    equal(TypeInfo.fetch(connection, "timestamptz").oid, 1184)
    equal(TypeInfo.fetch(connection, "text").array_oid, 1009)
    equal(TypeInfo.fetch(connection, "hstore"), None)


check("to_regtype")(lambda: equal(
    ask("SELECT to_regtype(%s)::oid, to_regtype(%s)::text, to_regclass(%s)::text", ("int8", "integer", "spans")), [(20, "integer", "spans")]))


@check("a composite, a range and an enumeration are asked for")
def _():
    from psycopg.types.composite import CompositeInfo
    from psycopg.types.enum import EnumInfo
    from psycopg.types.multirange import MultirangeInfo
    from psycopg.types.range import RangeInfo
    equal(CompositeInfo.fetch(connection, "no_such_type"), None)
    equal(EnumInfo.fetch(connection, "no_such_type"), None)
    equal(RangeInfo.fetch(connection, "int4range").subtype_oid, 23)
    equal(MultirangeInfo.fetch(connection, "no_such_type"), None)
    names = CompositeInfo.fetch(connection, "spans").field_names
    assert "trace_id" in names, names


@check("transactions and savepoints")
def _():
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute("SELECT 1")
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        equal(ask("SELECT 1"), [(1,)])


@check("a setting")
def _():
    connection.execute("SELECT set_config('application_name', %s, false)", ("psycopg",))
    connection.execute("SET application_name = 'tests'")
    equal(ask("SHOW application_name"), [("tests",)])


check("rows by name")(lambda: equal(
    connection.cursor(row_factory=dict_row).execute("SELECT count(*) AS n FROM spans").fetchone(), {"n": 31}))
check("the connection's facts")(lambda: equal(
    (connection.info.server_version // 10000, connection.info.encoding, connection.info.dbname), (16, "utf-8", "spanwise")))
check("it is described")(lambda: equal(
    [column.type_code for column in connection.execute("SELECT name, duration_ms, start_time FROM spans LIMIT 0").description], [25, 701, 1184]))


@check("writing is refused")
def _():
    try:
        connection.execute("DELETE FROM spans WHERE name = %s", ("x",))
        raise AssertionError("expected an error")
    except psycopg.errors.ReadOnlySqlTransaction:
        pass


@check("it is cancelled")
def _():
    connection.cancel_safe()
    equal(connection.pgconn.transaction_status, pq.TransactionStatus.IDLE)


check.end()
