"""Puts texts to a server by libpq and prints, as JSON, all that it answers: results, rows, what COPY sends, the SQLSTATE of
each error, and the state of the transaction after each text. `protocol.py ADDRESS` is run against PostgreSQL and Spanwise."""

import json
import sys

from psycopg import pq

# Each scenario has a connection of its own. A text that begins with "extended:" goes over the extended protocol.
SCENARIOS = [
    ["BEGIN; SELECT 1/0", "SELECT 1", "ROLLBACK", "SELECT 1"],
    ["BEGIN; SELECT nothing", "SHOW standard_conforming_strings", "COMMIT", "SELECT 2"],
    ["SELECT 1; SELECT 2", "SELECT 1; SELECT 1/0; SELECT 3"],
    ["BEGIN; SELECT 1; COMMIT; SELECT 1/0"],
    ["BEGIN; COMMIT; BEGIN; SELECT 1/0; COMMIT; SELECT 5", "ROLLBACK"],
    ["SELECT 1; BEGIN; SELECT )", "ROLLBACK"],
    ["", ";;", "-- nothing", "BEGIN", ";", "COMMIT"],
    ["BEGIN", "SAVEPOINT a", "SELECT 1/0", "SELECT 1", "ROLLBACK TO a", "SELECT 1", "COMMIT"],
    ["BEGIN", "SAVEPOINT a", "SELECT 1/0", "ROLLBACK TO SAVEPOINT nowhere", "ROLLBACK TO SAVEPOINT a", "COMMIT"],
    ["BEGIN", "SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "ROLLBACK TO b", "ROLLBACK TO a", "RELEASE a", "ROLLBACK TO a",
     "ROLLBACK"],
    ["BEGIN", "SAVEPOINT a", "SAVEPOINT a", "RELEASE SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "RELEASE a", "END"],
    ["SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "BEGIN", "SAVEPOINT \"A\"", "ROLLBACK TO a"],
    ["BEGIN", "SAVEPOINT a", "COMMIT", "BEGIN", "ROLLBACK TO a", "ROLLBACK"],
    ["BEGIN", "DECLARE c CURSOR FOR SELECT generate_series(1, 3)", "SAVEPOINT a",
     "DECLARE d CURSOR FOR SELECT generate_series(1, 3)", "FETCH 1 FROM d", "ROLLBACK TO a", "FETCH 2 FROM c",
     "FETCH 1 FROM d", "ROLLBACK TO a", "FETCH FROM c", "ROLLBACK"],
    ["extended:BEGIN", "extended:SAVEPOINT a", "extended:SELECT 1/0", "extended:SELECT 1", "extended:SHOW datestyle",
     "extended:ROLLBACK TO a", "extended:SELECT 7", "extended:COMMIT"],
    ["extended:BEGIN", "extended:SELECT nothing", "extended:ROLLBACK", "extended:SELECT 7"],
    ["COPY (SELECT 1 AS a WHERE false) TO STDOUT WITH (HEADER)", "COPY (SELECT 1 AS a WHERE false) TO STDOUT",
     "COPY (SELECT 1 AS a WHERE false) TO STDOUT (FORMAT BINARY)", "COPY (SELECT 1 AS a WHERE false) TO STDOUT (FORMAT csv, HEADER)"],
    ["COPY (SELECT 1 AS a, NULL::text AS b) TO STDOUT WITH (HEADER)", "COPY (SELECT 1 AS a) TO STDOUT (FORMAT BINARY)",
     "COPY (SELECT x AS a FROM generate_series(1, 3) g(x)) TO STDOUT (FORMAT csv, HEADER); SELECT 4"],
    ["extended:COPY (SELECT 1 AS a WHERE false) TO STDOUT WITH (HEADER)", "extended:COPY (SELECT 1 AS a, 2 AS b) TO STDOUT (FORMAT BINARY)"],
    # The error comes when thousands of rows have been sent.
    ["broken:COPY (SELECT 100 / (20000 - x) FROM generate_series(1, 40000) g(x)) TO STDOUT", "SELECT 8"],
    ["broken:extended:COPY (SELECT 100 / (20000 - x) FROM generate_series(1, 40000) g(x)) TO STDOUT (FORMAT BINARY)", "SELECT 8"],
    ["BEGIN", "broken:COPY (SELECT 100 / (20000 - x) FROM generate_series(1, 40000) g(x)) TO STDOUT", "SELECT 8", "ROLLBACK"],
]


def ask(connection, text):
    # How far an answer had come is not the same everywhere.
    broken = text.startswith("broken:")
    text = text.removeprefix("broken:")
    if text.startswith("extended:"):
        connection.send_query_params(text.removeprefix("extended:").encode(), None)
    else:
        connection.send_query(text.encode())
    answers = []
    while result := connection.get_result():
        status = pq.ExecStatus(result.status)
        if status == pq.ExecStatus.COPY_OUT:
            sent = []
            while True:
                length, data = connection.get_copy_data(0)
                if length <= 0:
                    break
                sent.append(bytes(data).decode("latin-1"))
            formats = [result.fformat(at) for at in range(result.nfields)]
            answers.append(["COPY_OUT", formats, None if broken else sent])
            continue
        rows = [[value.decode() if (value := result.get_value(row, at)) is not None else None for at in range(result.nfields)]
                for row in range(result.ntuples)]
        code = result.error_field(pq.DiagnosticField.SQLSTATE)
        severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
        told = [part.decode() if part else None for part in (result.command_status, code, severity)]
        answers.append([status.name, told, rows])
    return {"text": text, "answers": answers, "transaction": pq.TransactionStatus(connection.transaction_status).name}


def main():
    found = []
    for scenario in SCENARIOS:
        connection = pq.PGconn.connect(sys.argv[1].encode())
        assert connection.status == pq.ConnStatus.OK, connection.error_message
        found.append([ask(connection, text) for text in scenario])
        connection.finish()
    print(json.dumps(found))


main()
