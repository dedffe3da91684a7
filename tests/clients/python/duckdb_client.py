"""DuckDB's extension postgres: the server is attached, its tables are read in binary."""

import pathlib
import sys

import duckdb
import duckdb_extension_postgres_scanner
from checks import Checks, equal

check = Checks("DuckDB")
[extension] = pathlib.Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
database.execute(f"LOAD '{extension}'")
where = f"host=127.0.0.1 port={sys.argv[1]} user=spanwise dbname=spanwise"


def ask(sql):
    return database.execute(sql).fetchall()


check("ATTACH")(lambda: database.execute(f"ATTACH '{where}' AS own (TYPE postgres, READ_ONLY)"))
check("tables")(lambda: equal(
    {"spans", "metrics", "requests"} <= {name for (name,) in ask("SELECT table_name FROM duckdb_tables() WHERE database_name = 'own' UNION SELECT view_name FROM duckdb_views() WHERE database_name = 'own'")}, True))
check("a count")(lambda: equal(ask("SELECT count(*) FROM own.spans"), [(31,)]))
check("a filter")(lambda: equal(ask("SELECT http_route, duration_ms FROM own.public.spans WHERE duration_ms > 50"), [("/orders", 80.0)]))
check("groups")(lambda: equal(
    ask("SELECT http_route, count(*), min(start_time) > TIMESTAMPTZ '2000-01-01 00:00:00+00' FROM own.spans GROUP BY 1 ORDER BY 1"),
    [("/orders", 1, True), ("/products/{id}", 30, True)]))
check("all columns")(lambda: equal(len(ask("SELECT * FROM own.spans")), 31))
check("a join with a table of its own")(lambda: equal(
    ask("SELECT count(*) FROM own.spans s JOIN (SELECT '/orders' AS route) r ON s.http_route = r.route"), [(1,)]))
check("a query that is passed on")(lambda: equal(
    ask("SELECT * FROM postgres_query('own', 'SELECT count(*) AS n FROM spans WHERE duration_ms > 50')"), [(1,)]))
check("postgres_scan")(lambda: equal(ask(f"SELECT count(*) FROM postgres_scan('{where}', 'public', 'spans')"), [(31,)]))
check("with filters passed on")(lambda: (
    database.execute("SET pg_experimental_filter_pushdown = true"),
    equal(ask("SELECT count(*) FROM own.spans WHERE http_route = '/orders' AND duration_ms >= 80"), [(1,)])))
check("a copy of its own")(lambda: (
    database.execute("CREATE TABLE copied AS SELECT * FROM own.spans"),
    equal(ask("SELECT count(*) FROM copied"), [(31,)])))
check("every table")(lambda: [
    ask(f'SELECT * FROM own.public."{name}" LIMIT 5')
    for (name,) in ask("SELECT table_name FROM duckdb_tables() WHERE database_name = 'own' AND schema_name = 'public'")])
check.end()
