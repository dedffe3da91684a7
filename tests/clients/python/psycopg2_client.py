"""psycopg 2: libpq's simple protocol, cursors on the server, COPY."""

import io
import sys

import psycopg2
import psycopg2.extras
from checks import Checks, equal

check = Checks("psycopg2")
connection = psycopg2.connect(host="127.0.0.1", port=int(sys.argv[1]), user="spanwise", dbname="spanwise")
connection.set_session(readonly=True)


def ask(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        rows = cursor.fetchall()
    connection.rollback()
    return rows


check("parameters")(lambda: equal(ask("SELECT count(*) FROM spans WHERE http_route = %s", "/products/{id}"), [(30,)]))
check("lists")(lambda: equal(
    ask("SELECT count(*) FROM spans WHERE http_route = ANY(%s)", ["/orders", "/nothing"]), [(1,)]))
check("tuples")(lambda: equal(ask("SELECT count(*) FROM spans WHERE http_route IN %s", ("/orders", "/x")), [(1,)]))
check("types")(lambda: equal([type(value).__name__ for value in ask(
    "SELECT name, duration_ms, error, start_time, http_response_status_code FROM spans LIMIT 1")[0]],
    ["str", "float", "bool", "datetime", "int"]))


@check("a named cursor")
def _():
    cursor = connection.cursor("reader")
    cursor.itersize = 7
    cursor.execute("SELECT duration_ms FROM spans ORDER BY start_time, duration_ms")
    equal(len(list(cursor)), 31)
    cursor.close()
    connection.rollback()


@check("parts of a named cursor")
def _():
    cursor = connection.cursor("parts")
    cursor.execute("SELECT * FROM generate_series(1, 10) AS t(n)")
    equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
    equal(cursor.fetchone(), (4,))
    equal(cursor.fetchmany(100), [(n,) for n in range(5, 11)])
    equal(cursor.fetchall(), [])
    cursor.close()
    connection.rollback()


@check("a cursor that scrolls")
def _():
    cursor = connection.cursor("scroll", scrollable=True)
    cursor.execute("SELECT * FROM generate_series(1, 10) AS t(n)")
    equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
    cursor.scroll(-2)
    equal(cursor.fetchone(), (2,))
    cursor.scroll(8, mode="absolute")
    equal(cursor.fetchone(), (9,))
    cursor.close()
    connection.rollback()


@check("two named cursors at once")
def _():
    one, other = connection.cursor("one"), connection.cursor("other")
    one.execute("SELECT * FROM generate_series(1, 5) AS t(n)")
    other.execute("SELECT * FROM generate_series(11, 15) AS t(n)")
    equal((one.fetchmany(2), other.fetchmany(2)), ([(1,), (2,)], [(11,), (12,)]))
    equal((one.fetchall(), other.fetchall()), ([(3,), (4,), (5,)], [(13,), (14,), (15,)]))
    connection.rollback()


@check("a cursor that outlives its transaction")
def _():
    cursor = connection.cursor("hold", withhold=True)
    cursor.execute("SELECT * FROM generate_series(1, 5) AS t(n)")
    connection.commit()
    equal(cursor.fetchall(), [(n,) for n in range(1, 6)])
    cursor.close()
    connection.rollback()


@check("COPY TO as text")
def _():
    out = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY (SELECT http_route, duration_ms FROM spans WHERE http_route = '/orders') TO STDOUT", out)
    connection.rollback()
    equal(out.getvalue(), "/orders\t80\n")


@check("COPY TO as CSV with a header")
def _():
    out = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY (SELECT 1 AS a, 'x,y' AS b, NULL AS c, '' AS d) TO STDOUT WITH (FORMAT csv, HEADER)", out)
    connection.rollback()
    equal(out.getvalue(), 'a,b,c,d\n1,"x,y",,""\n')


@check("COPY of a table")
def _():
    out = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_to(out, "spans", columns=("name", "http_route"))
    connection.rollback()
    equal(len(out.getvalue().splitlines()), 31)


@check("rows by name")
def _():
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT http_route AS route FROM spans WHERE duration_ms > 50")
        equal(dict(cursor.fetchone()), {"route": "/orders"})
    connection.rollback()


@check("the description")
def _():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, duration_ms, start_time, attributes FROM spans LIMIT 0")
        equal([(column.name, column.type_code) for column in cursor.description],
              [("name", 25), ("duration_ms", 701), ("start_time", 1184), ("attributes", 114)])
    connection.rollback()


check("encoding")(lambda: connection.set_client_encoding("UTF8"))


@check("an error, then the connection goes on")
def _():
    try:
        ask("SELECT nothing_like_it FROM spans")
        raise AssertionError("expected an error")
    except psycopg2.errors.UndefinedColumn:
        connection.rollback()
    equal(ask("SELECT 1"), [(1,)])


@check("types by name")
def _():
    equal(ask("SELECT to_regtype('timestamptz')::oid, 'text'::regtype::oid, to_regtype('no_such_type')"), [(1184, 25, None)])


@check("hstore is asked for")
def _():
    equal(psycopg2.extras.HstoreAdapter.get_oids(connection), ((), ()))


check("the server's version")(lambda: equal(connection.server_version // 10000, 16))
check("a setting")(lambda: equal(ask("SELECT current_setting('server_encoding')"), [("UTF8",)]))
check.end()
