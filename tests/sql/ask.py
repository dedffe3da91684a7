"""Puts statements to a server over the Postgres wire, and prints as JSON what it answers, as the wire has it.

ask.py ADDRESS FILE: a list of statements in JSON.
ask.py ADDRESS FILE ADDRESS2 TABLE QUERY: first fills TABLE at ADDRESS with what QUERY gives at ADDRESS2.
"""
import json
import sys

import psycopg
from psycopg.pq import ExecStatus

# What PostgreSQL holds a column of ours as.
TYPES = {20: "bigint", 23: "integer", 701: "float8", 16: "boolean", 1184: "timestamptz", 114: "jsonb", 3802: "jsonb"}


def ask(connection, statement):
    result = connection.pgconn.exec_(statement.encode())
    if result.status == ExecStatus.COMMAND_OK:
        return {"names": [], "types": [], "rows": []}
    if result.status != ExecStatus.TUPLES_OK:
        return {"error": result.error_message.decode().strip()}
    columns, rows = range(result.nfields), range(result.ntuples)
    text = lambda value: None if value is None else value.decode()
    return {
        "names": [result.fname(column).decode() for column in columns],
        "types": [result.ftype(column) for column in columns],
        "rows": [[text(result.get_value(row, column)) for column in columns] for row in rows],
    }


def fill(connection, address, table, query):
    with psycopg.connect(address, autocommit=True) as source:
        found = ask(source, query)
    columns = ", ".join(f'"{name}" {TYPES.get(kind, "text")}' for name, kind in zip(found["names"], found["types"]))
    connection.execute(f"CREATE TABLE {table} ({columns})")
    places = ", ".join("%s" for _ in found["names"])
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES ({places})", found["rows"])


with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    if len(sys.argv) > 3:
        fill(connection, *sys.argv[3:])
    connection.execute("SET timezone = 'UTC'")
    with open(sys.argv[2]) as file:
        statements = json.load(file)
    print(json.dumps([ask(connection, statement) for statement in statements]))
