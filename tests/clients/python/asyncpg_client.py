"""asyncpg: binary everywhere, a pool, types that it looks up in the catalogs."""

import asyncio
import datetime
import sys

import asyncpg
from checks import Checks, equal

check = Checks("asyncpg")
where = dict(host="127.0.0.1", port=int(sys.argv[1]), user="spanwise", database="spanwise")
loop = asyncio.new_event_loop()


def tried(name):
    def run(function):
        async def one():
            connection = await asyncpg.connect(**where)
            try:
                await function(connection)
            finally:
                await connection.close(timeout=5)
        check(name)(lambda: loop.run_until_complete(asyncio.wait_for(one(), 60)))
    return run


@tried("parameters")
async def _(it):
    equal(await it.fetchval("SELECT count(*) FROM spans WHERE http_route = $1 AND duration_ms < $2", "/products/{id}", 50.0), 30)


@tried("LIMIT and OFFSET are integers")
async def _(it):
    equal(len(await it.fetch("SELECT name FROM spans LIMIT $1 OFFSET $2", 5, 1)), 5)


@tried("arrays")
async def _(it):
    equal(await it.fetchval("SELECT count(*) FROM spans WHERE http_route = ANY($1)", ["/orders", "/nothing"]), 1)
    equal(await it.fetchval("SELECT count(*) FROM spans WHERE http_route = ANY($1::text[])", ["/orders"]), 1)
    equal(await it.fetchval("SELECT ARRAY[1, 2, 3]"), [1, 2, 3])


@tried("types")
async def _(it):
    row = await it.fetchrow("SELECT name, duration_ms, error, start_time, http_response_status_code FROM spans WHERE http_route = $1", "/orders")
    equal([type(value).__name__ for value in row], ["str", "float", "bool", "datetime", "int"])


@tried("a whole row")
async def _(it):
    row = await it.fetchrow("SELECT * FROM spans WHERE http_route = '/orders'")
    equal((row["duration_ms"], row["http_route"]), (80.0, "/orders"))


@tried("times")
async def _(it):
    since = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
    equal(await it.fetchval("SELECT count(*) FROM spans WHERE start_time >= $1", since), 31)


@tried("a prepared statement and its types")
async def _(it):
    statement = await it.prepare("SELECT name, duration_ms FROM spans WHERE http_route = $1 LIMIT $2")
    equal([kind.name for kind in statement.get_parameters()], ["text", "int8"])
    equal([(one.name, one.type.name) for one in statement.get_attributes()], [("name", "text"), ("duration_ms", "float8")])
    for _ in range(3):
        equal(len(await statement.fetch("/products/{id}", 4)), 4)


@tried("its cache of statements")
async def _(it):
    for round in range(3):
        for limit in range(1, 20):
            equal(len(await it.fetch(f"SELECT name FROM spans WHERE duration_ms < $1 LIMIT {limit}", 50.0)), limit)


@tried("a cursor")
async def _(it):
    async with it.transaction():
        names = [row["name"] async for row in it.cursor("SELECT name FROM spans WHERE duration_ms < $1", 50.0, prefetch=7)]
        equal(len(names), 30)
        cursor = await it.cursor("SELECT * FROM generate_series(1, 10) AS t(n)")
        equal([row["n"] for row in await cursor.fetch(3)], [1, 2, 3])
        equal(await cursor.forward(2), 2)
        equal((await cursor.fetchrow())["n"], 6)


@tried("many rows by a cursor")
async def _(it):
    async with it.transaction(readonly=True):
        count = 0
        async for _ in it.cursor("SELECT * FROM generate_series(1, 200000) AS t(n)", prefetch=5000):
            count += 1
        equal(count, 200000)


@tried("types that it looks up")
async def _(it):
    for name in ("public.spans", "pg_catalog.pg_class"):
        schema, name = name.split(".")
        try:
            await it.set_type_codec(name, schema=schema, encoder=str, decoder=str, format="text")
        except asyncpg.InterfaceError as error:
            assert "composite" in str(error), error
    await it.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=str)
    await it.fetchval("SELECT attributes FROM spans LIMIT 1")


@tried("its question about types")
async def _(it):
    found = await it._introspect_types([1009, 1184, 16], 10)
    names = {row["name"] for row in found[0]}
    equal({"_text", "timestamptz", "bool"} <= names, True)


@tried("arrays of the catalogs")
async def _(it):
    equal(await it.fetchval("SELECT array_agg(typname ORDER BY typname) FROM pg_type WHERE oid = ANY($1::oid[])", [16, 25]), ["bool", "text"])
    equal(await it.fetchval("SELECT current_schemas(true)"), ["pg_catalog", "public"])
    equal(await it.fetchval("SELECT 'spans'::regclass::text"), "spans")


@tried("COPY of a query")
async def _(it):
    out = []

    async def take(data):
        out.append(data)
    await it.copy_from_query("SELECT http_route FROM spans WHERE duration_ms > $1", 50.0, output=take)
    equal(b"".join(out), b"/orders\n")


@tried("COPY of a table")
async def _(it):
    out = []

    async def take(data):
        out.append(data)
    await it.copy_from_table("spans", columns=["http_route"], output=take, format="csv")
    equal(len(b"".join(out).splitlines()), 31)


@tried("transactions")
async def _(it):
    async with it.transaction(isolation="repeatable_read", readonly=True):
        async with it.transaction():
            equal(await it.fetchval("SELECT 1"), 1)


@tried("an error within a transaction")
async def _(it):
    try:
        async with it.transaction():
            await it.fetch("SELECT nothing_like_it FROM spans")
        raise AssertionError("expected an error")
    except asyncpg.UndefinedColumnError:
        pass
    equal(await it.fetchval("SELECT 1"), 1)


@tried("it is reset")
async def _(it):
    await it.execute("SET application_name = 'other'")
    await it.reset()
    equal(await it.fetchval("SELECT 1"), 1)


@tried("statements at once")
async def _(it):
    equal(await it.execute("SELECT 1; SELECT 2"), "SELECT 1")


@tried("facts of the server")
async def _(it):
    equal((it.get_server_version().major, it.get_settings().server_encoding), (16, "UTF8"))


async def pooled():
    async with asyncpg.create_pool(**where, min_size=2, max_size=4) as pool:
        async def one(number):
            async with pool.acquire() as connection:
                return await connection.fetchval("SELECT count(*) + $1::int FROM spans", number)
        equal(await asyncio.gather(*(one(number) for number in range(20))), [31 + number for number in range(20)])


check("a pool")(lambda: loop.run_until_complete(asyncio.wait_for(pooled(), 60)))
check.end()
