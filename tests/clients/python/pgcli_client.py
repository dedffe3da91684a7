"""pgcli: what its completion asks, by its own code, and its special commands."""

import sys

from checks import Checks, equal
from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial

check = Checks("pgcli")
execute = PGExecute("spanwise", "spanwise", None, "127.0.0.1", sys.argv[1])


def has(found, *expected):
    found = list(found)
    missing = [item for item in expected if item not in found]
    assert not missing, f"{missing} are not in {found[:50]}"


check("search_path")(lambda: equal(execute.search_path(), ["pg_catalog", "public"]))
check("schemata")(lambda: has(execute.schemata(), "public", "pg_catalog"))
check("tables")(lambda: has(execute.tables(), ("public", "spans")))
check("views")(lambda: has(execute.views(), ("pg_catalog", "pg_tables")))
check("columns of tables")(lambda: has(
    [column[:4] for column in execute.table_columns()], ("public", "spans", "duration_ms", "double precision")))
check("columns of views")(lambda: has([column[:3] for column in execute.view_columns()], ("pg_catalog", "pg_tables", "tablename")))
check("foreign keys")(lambda: equal(list(execute.foreignkeys()), []))
check("databases")(lambda: has(execute.databases(), "spanwise"))
check("full databases")(lambda: execute.full_databases())
check("functions")(lambda: has([function.func_name for function in execute.functions()], "format_type"))
check("datatypes")(lambda: list(execute.datatypes()))
check("casing")(lambda: list(execute.casing()))
check("is_superuser")(lambda: execute.get_socket_directory() if False else execute.get_timezone())
check("a query")(lambda: equal(
    [list(rows) for _, rows, *_ in execute.run("SELECT http_route FROM spans WHERE duration_ms > 50", PGSpecial())], [[("/orders",)]]))
for command in ("\\d", "\\d spans", "\\d+ spans", "\\dt", "\\dt+", "\\dv", "\\dv+", "\\di", "\\ds", "\\df", "\\df+", "\\dn", "\\dn+",
                "\\du", "\\du+", "\\l", "\\l+", "\\dT", "\\dT+", "\\dx", "\\dm", "\\dp", "\\ddp", "\\db", "\\db+", "\\dE", "\\dD", "\\dF"):
    check(command)(lambda: [list(rows or []) for _, rows, *_ in execute.run(command, PGSpecial())])
check.end()
