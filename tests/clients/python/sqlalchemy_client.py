"""SQLAlchemy 2 over psycopg 2, psycopg 3 and asyncpg: the first connection, reflection, pandas."""

import asyncio
import sys

import pandas
import sqlalchemy as sa
from checks import Checks, equal
from sqlalchemy.ext.asyncio import create_async_engine

check = Checks("SQLAlchemy")
port = sys.argv[1]

for driver in ("psycopg2", "psycopg"):
    engine = sa.create_engine(f"postgresql+{driver}://spanwise@127.0.0.1:{port}/spanwise")

    @check(f"{driver}: a connection")
    def _():
        with engine.connect() as connection:
            equal(connection.execute(sa.text("SELECT count(*) FROM spans WHERE http_route = :route"), {"route": "/orders"}).scalar(), 1)
            equal(connection.dialect.default_schema_name, "public")
            equal(connection.dialect.server_version_info[0], 16)

    def inspected(name, ask):
        check(f"{driver}: {name}")(lambda: ask(sa.inspect(engine)))

    def has(found, *expected):
        missing = [item for item in expected if item not in found]
        assert not missing, f"{missing} are not in {found}"

    inspected("get_schema_names", lambda it: has(it.get_schema_names(), "public", "information_schema"))
    inspected("get_table_names", lambda it: has(it.get_table_names(), "spans", "metrics", "logs", "requests"))
    inspected("get_view_names", lambda it: it.get_view_names())
    inspected("get_materialized_view_names", lambda it: equal(it.get_materialized_view_names(), []))
    inspected("get_temp_table_names", lambda it: equal(it.get_temp_table_names(), []))
    inspected("get_sequence_names", lambda it: equal(it.get_sequence_names(), []))
    inspected("has_table", lambda it: equal((it.has_table("spans"), it.has_table("nothing")), (True, False)))
    inspected("has_schema", lambda it: equal((it.has_schema("public"), it.has_schema("nothing")), (True, False)))
    inspected("has_index", lambda it: equal(it.has_index("spans", "nothing"), False))
    inspected("get_columns", lambda it: equal(
        [(column["name"], str(column["type"]), column["nullable"]) for column in it.get_columns("spans")
         if column["name"] in ("start_time", "duration_ms", "attributes")],
        [("start_time", "TIMESTAMP", True), ("duration_ms", "DOUBLE PRECISION", True), ("attributes", "JSON", True)]))
    inspected("comments of columns", lambda it: has([bool(column["comment"]) for column in it.get_columns("spans")], True))
    inspected("get_table_comment", lambda it: has([bool(it.get_table_comment("spans")["text"])], True))
    inspected("get_pk_constraint", lambda it: equal(it.get_pk_constraint("spans")["constrained_columns"], []))
    inspected("get_foreign_keys", lambda it: equal(it.get_foreign_keys("spans"), []))
    inspected("get_indexes", lambda it: equal(it.get_indexes("spans"), []))
    inspected("get_unique_constraints", lambda it: equal(it.get_unique_constraints("spans"), []))
    inspected("get_check_constraints", lambda it: equal(it.get_check_constraints("spans"), []))
    inspected("get_table_options", lambda it: it.get_table_options("spans"))
    inspected("get_view_definition", lambda it: [it.get_view_definition(view) for view in it.get_view_names()[:1]])
    inspected("get_enums", lambda it: equal(it.get_enums(), []))
    inspected("get_domains", lambda it: equal(it.get_domains(), []))
    inspected("get_extensions and multi columns", lambda it: has([name for _, name in it.get_multi_columns()], "spans"))
    inspected("get_multi_indexes", lambda it: it.get_multi_indexes())

    @check(f"{driver}: a table is reflected and asked")
    def _():
        spans = sa.Table("spans", sa.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            asked = sa.select(sa.func.count()).select_from(spans).where(spans.c.http_route == "/orders")
            equal(connection.execute(asked).scalar(), 1)
            asked = sa.select(spans.c.name).where(spans.c.duration_ms < 50).order_by(spans.c.start_time).limit(5).offset(2)
            equal(len(connection.execute(asked).all()), 5)
            asked = sa.select(spans.c.name).where(spans.c.http_route.in_(["/orders", "/nothing"]))
            equal(connection.execute(asked).all(), [("POST /orders",)])

    @check(f"{driver}: all tables are reflected")
    def _():
        metadata = sa.MetaData()
        metadata.reflect(engine, views=True)
        has(metadata.tables, "spans", "requests", "findings")

    @check(f"{driver}: read_sql_table")
    def _():
        frame = pandas.read_sql_table("spans", engine, columns=["name", "duration_ms", "start_time"])
        equal((len(frame), str(frame.dtypes["duration_ms"])), (31, "float64"))

    @check(f"{driver}: read_sql_table of all columns")
    def _():
        equal(len(pandas.read_sql_table("spans", engine)), 31)

    @check(f"{driver}: read_sql_query in parts")
    def _():
        parts = pandas.read_sql_query(sa.text("SELECT name FROM spans"), engine, chunksize=10)
        equal([len(part) for part in parts], [10, 10, 10, 1])

    @check(f"{driver}: rows as a stream")
    def _():
        with engine.connect().execution_options(stream_results=True, yield_per=10) as connection:
            equal(len(connection.execute(sa.text("SELECT name FROM spans")).all()), 31)


async def asynchronous():
    engine = create_async_engine(f"postgresql+asyncpg://spanwise@127.0.0.1:{port}/spanwise")
    async with engine.connect() as connection:
        found = await connection.execute(sa.text("SELECT count(*) FROM spans WHERE http_route = :route"), {"route": "/orders"})
        equal(found.scalar(), 1)
        names = await connection.run_sync(lambda it: sa.inspect(it).get_table_names())
        assert "spans" in names, names
        columns = await connection.run_sync(lambda it: sa.inspect(it).get_columns("spans"))
        assert len(columns) > 10, columns
    await engine.dispose()


check("asyncpg: a connection and its tables")(lambda: asyncio.run(asynchronous()))
check.end()
