"""Makes expressions of all types at random, and prints statements with them as a list in JSON.

generate.py SEED COUNT: the same seed gives the same statements. They read two rows of values and one of nulls.
"""
import json
import random
import sys

ROWS = """(VALUES
  (3, 30::bigint, 1.25, 2.5::float8, 'cab', DATE '2026-05-17', TIMESTAMP '2026-05-17 08:09:10', TIMESTAMPTZ '2026-05-17 08:09:10+00', INTERVAL '90 minutes'),
  (-2, 5000000000::bigint, -7.50, 1e-6::float8, 'a%b', DATE '2025-12-31', TIMESTAMP '2025-12-31 23:59:59.999999', TIMESTAMPTZ '2025-10-26 00:30:00+00', INTERVAL '1 month 3 days'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS t(i, b, n, f, s, d, t, z, v)"""

LEAVES = {
    "int": ["0", "1", "(-3)", "7", "42", "100000", "2147483647", "i", "(i + 1)"],
    "big": ["5::bigint", "9000000000", "b", "(-7)::bigint"],
    "num": ["1.5", "(-2.25)", "0.001", "100.00", "3.0", "n", "12345.678"],
    "flt": ["1.5::float8", "f", "0.1::float8", "(-1e10)::float8", "3::float8"],
    "txt": ["'abc'", "''", "'Hello World'", "'a,b,c'", "s", "'42'", "'  x '"],
    "bool": ["true", "false", "(i > 1)", "NULL::bool"],
    "date": ["DATE '2026-01-31'", "d", "DATE '2024-02-29'"],
    "ts": ["TIMESTAMP '2026-03-15 13:45:59.123'", "t", "TIMESTAMP '1999-12-31 23:59:59'"],
    "tz": ["TIMESTAMPTZ '2026-03-29 00:30:00+00'", "z"],
    "span": ["INTERVAL '1 day'", "INTERVAL '3 hours 25 minutes'", "INTERVAL '2 months'", "v", "INTERVAL '-1 day 5 seconds'"],
}

# In braces: a type, one of several types, or one of several words after an equals sign.
FORMS = {
    "int": ["({int} {=+ - * / %} {int})", "length({txt})", "abs({int})", "({date} - {date})", "strpos({txt}, {txt})",
            "{num|flt|big}::int", "coalesce({int}, {int})", "CASE WHEN {bool} THEN {int} ELSE {int} END",
            "greatest({int}, {int})", "mod({int}, {int})"],
    "big": ["({big} {=+ - * / %} {int|big})", "{int}::bigint", "{num}::bigint"],
    "num": ["({num} {=+ - *} {num|int})", "round({num}, {=0 1 2 3})", "trunc({num})", "ceil({num})", "floor({num})",
            "abs({num})", "extract({=epoch hour day second month year dow minute week quarter} from {ts|tz})",
            "extract({=epoch hour day second} from {span})", "sign({num})", "{int}::numeric", "round({num})"],
    "flt": ["({flt} {=+ - * /} {int|num|flt|big})", "sqrt(abs({flt}))", "round({flt})", "{int|num}::float8",
            "date_part('{=hour day epoch}', {ts})", "floor({flt})", "ceil({int})"],
    "txt": ["upper({txt})", "left({txt}, {=1 2 -1})", "right({txt}, {=1 2 -1})",
            "substring({txt} from {=1 2 3} for {=1 2})", "({txt} || {txt|int|num})",
            "{int|num|flt|bool|date|ts|tz|span|big}::text", "split_part({txt}, ',', {=1 2})",
            "to_char({ts}, '{=YYYY-MM-DD HH24:MI:SS Day-DDD-IW FMMonth-DDth}')",
            "to_char({int|num}, '{=FM999990.00 9999 99D9 S999 000.0}')", "replace({txt}, 'a', 'xy')",
            "coalesce({txt}, 'none')", "lpad({txt}, 5, '*')", "trim({txt})", "concat({txt}, {int|num|bool}, NULL)",
            "regexp_replace({txt}, '[a-c]', '#', 'g')", "initcap({txt})", "CASE WHEN {bool} THEN {txt} END"],
    "bool": ["({int|num|flt|big} {=< > = <> <= >=} {int|num|flt|big})", "({txt} {=< = LIKE ILIKE ~} {txt})",
             "({bool} {=AND OR} {bool})", "(NOT {bool})", "({int|txt|ts} IS NULL)", "({ts} {=< >=} {ts|date|tz})",
             "({span} < {span})", "({int} BETWEEN {int} AND {int})", "({int} IN (1, 2, {int}))",
             "({ts} > '2026-01-01 02:20')", "({date} = '2026-01-31')"],
    "date": ["({date} {=+ -} {=1 30 i})", "{ts|tz}::date", "make_date(2026, {=2 12}, {=1 28})"],
    "ts": ["({ts|date} {=+ -} {span})", "date_trunc('{=hour day week month quarter year minute}', {ts})",
           "({tz} AT TIME ZONE '{=Europe/Berlin America/New_York UTC}')", "{date|tz}::timestamp",
           "date_bin('15 minutes', {ts}, TIMESTAMP '2026-01-01')"],
    "tz": ["({tz} {=+ -} {span})", "date_trunc('{=hour day month}', {tz})",
           "({ts} AT TIME ZONE '{=Europe/Berlin Asia/Kolkata}')", "{date|ts}::timestamptz", "to_timestamp({int})"],
    "span": ["({span} {=+ -} {span})", "({span} * {=2 1.5 i})", "({ts} - {ts})", "({span} / {=2 3})", "age({ts}, {ts})",
             "justify_interval({span})", "make_interval(days => i)", "(-{span})"],
}


def expression(chance, kind, depth):
    if depth <= 0 or chance.random() < 0.2:
        return chance.choice(LEAVES[kind])
    made, rest = "", chance.choice(FORMS[kind])
    while "{" in rest:
        before, rest = rest.split("{", 1)
        place, rest = rest.split("}", 1)
        if place.startswith("="):
            made += before + chance.choice(place[1:].split(" "))
        else:
            made += before + expression(chance, chance.choice(place.split("|")), depth - 1)
    return made + rest


chance = random.Random(int(sys.argv[1]))
statements = []
for _ in range(int(sys.argv[2])):
    kind = chance.choice(list(LEAVES))
    statements.append(f"SELECT {expression(chance, kind, chance.choice([1, 2, 2, 3]))} AS x FROM {ROWS}")
print(json.dumps(statements))
