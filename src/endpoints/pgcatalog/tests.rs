use super::*;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use std::sync::Arc;

fn snapshot() -> Arc<Snapshot> {
    let column = |name: &str, kind: u32| UserColumn {
        name: name.to_owned(),
        kind,
        nullable: true,
        doc: Some(format!("What {name} is.")),
    };
    let spans = UserTable {
        name: "spans".to_owned(),
        is_view: false,
        definition: None,
        doc: Some("One row per span.".to_owned()),
        columns: vec![column("name", 25), column("start_time", 1184), column("tags", 1009)],
    };
    let slow = UserTable {
        name: "slow".to_owned(),
        is_view: true,
        definition: Some("SELECT name FROM spans;\n".to_owned()),
        doc: None,
        columns: vec![column("name", 25)],
    };
    Arc::new(planned::snapshot(vec![spans, slow]))
}

fn client() -> Client {
    let setting = Setting { name: "search_path", value: "\"$user\", public".to_owned(), default: "\"$user\", public" };
    Client { user: "ada".to_owned(), database: "spanwise".to_owned(), settings: vec![setting], ..Client::default() }
}

fn planned(sql: &str) -> Result<Planned, Fault> {
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().unwrap();
    every_field(&mut tokens);
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let ast::Statement::Query(query) = parser.parse_statement().unwrap() else { panic!("{sql}: no query") };
    Planned::new(snapshot(), &client(), &query, &[])
}

/// Returns rows as psql prints them without alignment.
fn asked(sql: &str) -> String {
    let told = planned(sql).and_then(|planned| {
        let rows = planned.run(&client(), Vec::new())?;
        let columns = planned.columns().count();
        let cell = |row, column| {
            let bytes = planned.write(&client(), row, column, false).unwrap_or_default();
            String::from_utf8(bytes).unwrap()
        };
        let line = |row| (0..columns).map(|column| cell(row, column)).collect::<Vec<_>>().join("|");
        Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
    });
    told.unwrap_or_else(|fault| format!("{}: {}", fault.code, fault.message))
}

#[test]
fn tables_have_rows_in_the_catalogs() {
    assert_eq!(
        asked("SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
        "slow|v\nspans|r"
    );
    let columns = "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute \
                   WHERE attrelid = 'spans'::regclass AND attnum > 0 ORDER BY attnum";
    let expected =
        "name|text|What name is.\nstart_time|timestamp with time zone|What start_time is.\ntags|text[]|What tags is.";
    assert_eq!(asked(columns), expected);
    let columns = "SELECT column_name, data_type, udt_name, is_nullable FROM information_schema.columns WHERE table_name = 'spans' ORDER BY ordinal_position";
    assert_eq!(
        asked(columns),
        "name|text|text|YES\nstart_time|timestamp with time zone|timestamptz|YES\ntags|ARRAY|_text|YES"
    );
}

/// Every view can be run, and returns the columns of its definition.
#[test]
fn every_relation_can_be_read() {
    for definition in &system::system().definitions {
        let told = asked(&format!("SELECT * FROM {}.{}", definition.schema, definition.name));
        assert!(!told.contains(": view ") && !told.starts_with("42"), "{}: {told}", definition.name);
    }
}

/// Statements and the results of `PostgreSQL` 15.
const ANSWERS: &[(&str, &str)] = &[
    ("SELECT array_agg(typname ORDER BY typname DESC) FROM pg_type WHERE oid IN (16, 25, 23)", "{text,int4,bool}"),
    ("SELECT x, n FROM (SELECT (information_schema._pg_expandarray(ARRAY['b', 'a'])).*) AS t", "b|1\na|2"),
    ("SELECT x, n FROM unnest(ARRAY['a', NULL, 'c']) WITH ORDINALITY AS t(x, n)", "a|1\n|2\nc|3"),
    ("SELECT a, b FROM unnest(ARRAY[1, 2], ARRAY['x']) AS t(a, b)", "1|x\n2|"),
    (
        "SELECT proargtypes, proargtypes[0], array_lower(proargtypes, 1), array_upper(proargtypes, 1), proargtypes[0:0] FROM pg_proc WHERE proname = 'array_to_string' AND pronargs = 2",
        "2277 25|2277|0|1|{2277}",
    ),
    (
        "SELECT t.typname, (SELECT e.typname FROM pg_type e WHERE e.oid = t.typelem AND e.typname <> t.typname) FROM pg_type t WHERE t.typname IN ('_int4', 'int4') ORDER BY 1",
        "_int4|int4\nint4|",
    ),
    (
        "SELECT a.x, b.y FROM (VALUES (1), (2), (3)) a(x) LEFT JOIN LATERAL (SELECT a.x * 10 AS y WHERE a.x > 1) b ON b.y < 30 ORDER BY 1",
        "1|\n2|20\n3|",
    ),
    (
        "SELECT n.nspname, g FROM pg_namespace n CROSS JOIN LATERAL generate_series(1, length(n.nspname) - 8) AS g WHERE n.nspname = 'pg_catalog'",
        "pg_catalog|1\npg_catalog|2",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT string_agg(n::text, ',' ORDER BY n DESC) FROM r",
        "4,3,2,1",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT (n + 1) % 3 FROM r) SELECT array_agg(n ORDER BY n) FROM r",
        "{0,1,2}",
    ),
    (
        "SELECT relname, row_number() OVER (ORDER BY relname DESC), count(*) OVER (), lag(relname) OVER (ORDER BY relname) FROM pg_class WHERE relname IN ('pg_am', 'pg_cast', 'pg_type') ORDER BY relname",
        "pg_am|3|3|\npg_cast|2|3|pg_am\npg_type|1|3|pg_cast",
    ),
    (
        "SELECT x, rank() OVER (ORDER BY x), dense_rank() OVER (ORDER BY x), sum(x) OVER (ORDER BY x), first_value(x) OVER (ORDER BY x DESC) FROM (VALUES (1), (1), (2)) t(x) ORDER BY x",
        "1|1|1|2|2\n1|1|1|2|2\n2|3|2|4|2",
    ),
    (
        "SELECT 'pg_class'::regclass::oid, 1259::regclass, 'int4'::regtype, 23::oid::regtype::text, to_regtype('nothing'), 'pg_catalog'::regnamespace, 'array_to_string(anyarray,text)'::regprocedure",
        "1259|pg_class|integer|integer||pg_catalog|array_to_string(anyarray,text)",
    ),
    (
        "SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) FULL JOIN (VALUES (2), (3)) b(y) ON a.x = b.y ORDER BY a.x, b.y",
        "1|\n2|2\n|3",
    ),
    (
        "SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) RIGHT JOIN (VALUES (2), (3)) b(y) ON a.x = b.y ORDER BY b.y",
        "2|2\n|3",
    ),
    ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(k, v) JOIN (VALUES (2, 'c')) b(k, w) USING (k)", "2|b|c"),
    ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) a(k, v) NATURAL JOIN (VALUES (2, 'c')) b(k, w)", "2|b|c"),
    ("SELECT x FROM (VALUES (1), (2), (2), (3)) t(x) EXCEPT SELECT 3 ORDER BY 1", "1\n2"),
    ("SELECT x FROM (VALUES (1), (2), (2), (3)) t(x) INTERSECT ALL SELECT x FROM (VALUES (2), (2), (2)) u(x)", "2\n2"),
    ("SELECT DISTINCT ON (x) x, y FROM (VALUES (1, 'b'), (1, 'a'), (2, 'c')) t(x, y) ORDER BY x, y", "1|a\n2|c"),
    ("SELECT DISTINCT x % 2 FROM (VALUES (1), (2), (3)) t(x) ORDER BY 1", "0\n1"),
    ("SELECT x FROM (VALUES (1), (NULL), (3)) t(x) ORDER BY x DESC", "\n3\n1"),
    ("SELECT x FROM (VALUES (1), (NULL), (3)) t(x) ORDER BY x DESC NULLS LAST LIMIT 2", "3\n1"),
    (
        "SELECT x % 2 AS odd, count(*), count(*) FILTER (WHERE x > 2), max(x) FROM (VALUES (1), (2), (3), (4)) t(x) GROUP BY odd HAVING count(*) > 1 ORDER BY odd",
        "0|2|1|4\n1|2|1|3",
    ),
    (
        "SELECT count(*), sum(x), max(x), array_agg(x), string_agg(x::text, ',') FROM (VALUES (1)) t(x) WHERE x > 5",
        "0||||",
    ),
    ("SELECT 1 WHERE NULL IN (1, 2) OR 3 = ANY(ARRAY[1, NULL])", ""),
    (
        "SELECT 3 = ANY(ARRAY[1, NULL]), 3 <> ALL(ARRAY[1, 2]), 3 <> ALL(ARRAY[1, NULL]), NULL IS NOT DISTINCT FROM NULL, (NULL = 1) IS UNKNOWN",
        "|t||t|t",
    ),
    (
        "SELECT ARRAY[1, 2] || 3, 0 || ARRAY[1], ARRAY[1, 2] @> ARRAY[2], ARRAY[1, 2] && ARRAY[3], (ARRAY[1, 2, 3])[2:3], (ARRAY[1, 2])[5], array_length(ARRAY[1, 2], 1), cardinality(ARRAY[1])",
        "{1,2,3}|{0,1}|t|f|{2,3}||2|1",
    ),
    (
        "SELECT ARRAY(SELECT typname::text FROM pg_type WHERE oid < 20 ORDER BY 1), array_to_string(ARRAY['a', NULL, 'b'], '-'), array_to_string(ARRAY['a', NULL], '-', '*'), array_position(ARRAY['a', 'b'], 'b')",
        "{bool,bytea,char,name}|a-b|a-*|2",
    ),
    (
        "SELECT quote_ident('select'), quote_ident('aB'), quote_ident('a b'), quote_ident('ab_1'), quote_literal('it''s'), format('%I.%s = %L', 'Tab', 'col', 'v'), format('%2$s %1$s', 'a', 'b')",
        "\"select\"|\"aB\"|\"a b\"|ab_1|'it''s'|\"Tab\".col = 'v'|b a",
    ),
    (
        "SELECT substring('abcdef', 2, 3), substring('abcdef' FROM 3), left('abc', -1), right('abc', 2), split_part('a.b.c', '.', 2), trim(BOTH '\"' FROM '\"x\"'), replace('aXa', 'X', '-'), position('c' IN 'abc'), lpad('7', 3, '0')",
        "bcd|cdef|ab|bc|b|x|a-a|3|007",
    ),
    (
        "SELECT CASE WHEN 1 = 2 THEN 'a' END, CASE 'x' WHEN 'x' THEN 1 ELSE 2 END, COALESCE(NULL, 5), NULLIF(3, 3), GREATEST(1, 4, 2), LEAST(2, NULL, 1)",
        "|1|5||4|1",
    ),
    ("SELECT true AND NULL, false AND NULL, true OR NULL, NOT NULL::bool, 't'::bool, 'off'::bool", "|f|t||t|f"),
    (
        "SELECT '{a,\"b c\",NULL}'::text[], ARRAY['x,y', 'z\"', NULL, '']::text[], ROW(1, 'a b', NULL)::text",
        "{a,\"b c\",NULL}|{\"x,y\",\"z\\\"\",NULL,\"\"}|(1,\"a b\",)",
    ),
    (
        "SELECT format_type(1043, 36), format_type(1700, 655366), format_type(1007, NULL), format_type(0, NULL), format_type(999999, NULL), format_type(NULL, NULL)",
        "character varying(32)|numeric(10,2)|integer[]|-|???|",
    ),
    (
        "SELECT pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc WHERE proname = 'array_to_string' ORDER BY pronargs",
        "anyarray, text|text\nanyarray, text, text|text",
    ),
    ("SELECT obj_description(oid, 'pg_proc') FROM pg_proc WHERE proname = 'int4pl'", "implementation of + operator"),
    ("SELECT count(*) FROM pg_attribute WHERE attrelid = 'pg_am'::regclass AND attnum > 0", "4"),
    (
        "SELECT t.typname, t.typarray::regtype, t.typinput, t.typlen FROM pg_type t WHERE t.typname IN ('int8', 'name', 'timestamptz') ORDER BY t.oid",
        "name|name[]|namein|64\nint8|bigint[]|int8in|8\ntimestamptz|timestamp with time zone[]|timestamptz_in|8",
    ),
    (
        "SELECT column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns WHERE table_schema = 'pg_catalog' AND table_name = 'pg_am' ORDER BY ordinal_position",
        "oid|oid|NO|1\namname|name|NO|2\namhandler|regproc|NO|3\namtype|\"char\"|NO|4",
    ),
    (
        "SELECT table_type FROM information_schema.tables WHERE table_name IN ('pg_am', 'pg_tables') ORDER BY table_name",
        "BASE TABLE\nVIEW",
    ),
    (
        "SELECT am.amname, (SELECT count(*) FROM pg_opclass o WHERE o.opcmethod = am.oid) > 0 FROM pg_am am WHERE EXISTS (SELECT FROM pg_opfamily f WHERE f.opfmethod = am.oid) ORDER BY 1",
        "brin|t\nbtree|t\ngin|t\ngist|t\nhash|t\nspgist|t",
    ),
    (
        "SELECT word, catcode FROM pg_get_keywords() WHERE word IN ('select', 'abs', 'year') ORDER BY 1",
        "select|R\nyear|U",
    ),
    ("SELECT unnest(ARRAY[1, 2, 3]), unnest(ARRAY['a', 'b'])", "1|a\n2|b\n3|"),
    ("SELECT generate_subscripts(ARRAY[7, 8], 1), generate_subscripts('5 6'::int2vector, 1)", "1|0\n2|1"),
    (
        "SELECT c.relname FROM pg_class c WHERE (c.relname, c.relkind) IN (SELECT 'pg_am', 'r') OR c.relname = 'pg_cast' ORDER BY c.oid",
        "pg_am\npg_cast",
    ),
    ("SELECT to_json(ARRAY[1, 2]), json_build_object('a', 1, 'b', 'x')", "[1,2]|{\"a\" : 1, \"b\" : \"x\"}"),
    (
        "SELECT a.attname, a.attnum FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname = 'pg_am' AND a.attnum = ANY('{1,2}') ORDER BY a.attnum DESC",
        "amname|2\noid|1",
    ),
    (
        "SELECT pg_typeof(1), pg_typeof('a'::name), pg_typeof(ARRAY[1]), pg_typeof(relname) FROM pg_class WHERE oid = 1259",
        "integer|name|integer[]|name",
    ),
    ("SELECT current_schemas(true), current_schemas(false), current_schema()", "{pg_catalog,public}|{public}|public"),
    ("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pg\\_cat%' AND oid = 11", "pg_catalog"),
    (
        "SELECT pg_get_viewdef('slow'::regclass), pg_get_viewdef('spans'::regclass) IS NULL",
        " SELECT name FROM spans;|t",
    ),
    (
        "SELECT 'a%b' LIKE 'a\\%b', 'axb' LIKE 'a\\%b', 'Pg' ILIKE 'p_', E'a\nb' LIKE 'a%b', 'abc' ~ '^a.c$' FROM pg_am WHERE oid = 2",
        "t|f|t|t|t",
    ),
    ("SELECT 1 FROM pg_am WHERE 'ab' LIKE 'a\\'", "22025: LIKE pattern must not end with escape character"),
    (
        "SELECT row_to_json(t) FROM (SELECT oid, amname, NULL::text AS n, amtype = 'i' AS \"is I\" FROM pg_am WHERE oid = 403) t",
        "{\"oid\":\"403\",\"amname\":\"btree\",\"n\":null,\"is I\":true}",
    ),
    (
        "SELECT json_agg(t ORDER BY amname), to_json(array_agg(t)), json_build_object('row', max(amname), 'text', '{\"a\": 1}'::text) IS NOT NULL FROM (SELECT amname FROM pg_am WHERE oid = 403) t",
        "[{\"amname\":\"btree\"}]|[{\"amname\":\"btree\"}]|t",
    ),
    ("SELECT row_to_json(ROW(1, 'a', oid)) FROM pg_am WHERE oid = 403", "{\"f1\":1,\"f2\":\"a\",\"f3\":\"403\"}"),
    (
        "SELECT ROW(1, NULL) = ROW(1, NULL), ROW(1, NULL) = ROW(2, NULL), ROW(1, NULL) <> ROW(2, 3), ROW(1, NULL) < ROW(2, 1), ROW(1, NULL) < ROW(1, 2), ROW(1, 2) = ROW(1, 2) FROM pg_am WHERE oid = 403",
        "|f|t|t||t",
    ),
    (
        "SELECT ROW(1, NULL) IS NULL, ROW(1, NULL) IS NOT NULL, ROW(NULL, NULL) IS NULL, ROW(1, 2) IS NOT NULL, a IS NOT NULL FROM pg_am a WHERE oid = 403",
        "f|f|t|t|t",
    ),
    ("SELECT 2147483647 + 1 FROM pg_am", "22003: integer out of range"),
    ("SELECT 65536 * 65536 FROM pg_am", "22003: integer out of range"),
    ("SELECT 30000::int2 + 30000::int2 FROM pg_am", "22003: smallint out of range"),
    ("SELECT -(-2147483647 - 1) FROM pg_am", "22003: integer out of range"),
    (
        "SELECT 2147483647::int8 + 1, 2147483647 - 1, sum(2147483647) FROM (SELECT FROM pg_am WHERE oid IN (2, 403)) t",
        "2147483648|2147483646|4294967294",
    ),
    (
        "SELECT '2026-01-02 3:04 pm'::timestamp, 'Jan 2 2026'::date, '2026-01-02T03:04:05+02'::timestamptz, 'now'::timestamptz > '2020-01-01', 'epoch'::timestamp FROM pg_am WHERE oid = 2",
        "2026-01-02 15:04:00|2026-01-02|2026-01-02 01:04:05+00|t|1970-01-01 00:00:00",
    ),
    (
        "SELECT 'soon'::timestamptz FROM pg_am",
        "22007: invalid input syntax for type timestamp with time zone: \"soon\"",
    ),
    (
        "SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), prokind, obj_description(oid, 'pg_proc') FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname IN ('attr_int', 'quantile') ORDER BY 1",
        "attr_int|attributes json, key text|bigint|f|an attribute as an integer, or NULL\nquantile|sketch bytea, q double precision|double precision|a|the value of nearest rank, out of sketches",
    ),
];

#[test]
fn it_answers_as_postgresql_does() {
    let wrong = ANSWERS.iter().filter_map(|(sql, expected)| {
        let found = asked(sql);
        (found != *expected).then(|| format!("{sql}\n  expected {expected:?}\n  found    {found:?}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ANSWERS.len(), wrong.join("\n"));
}

/// The engine is selected by the objects that a query reads, however it refers to them.
#[test]
fn queries_are_told_apart_by_what_they_read() {
    let reads = |sql: &str| {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let ast::Statement::Query(query) = statements.remove(0) else { panic!("{sql}: no query") };
        super::reads(&query, &snapshot())
    };
    for sql in [
        "SELECT * FROM pg_class",
        "SELECT 1 FROM \"pg_catalog\".\"pg_class\" AS x WHERE x.oid IN (SELECT attrelid FROM pg_attribute)",
        "WITH spans AS (SELECT 1 FROM information_schema.tables) SELECT * FROM spans",
    ] {
        assert_eq!(reads(sql), Reads::Catalogs, "{sql}");
    }
    for sql in ["SELECT current_database()", "SELECT 'spans'::regclass::oid", "SELECT to_regtype('text')"] {
        assert_eq!(reads(sql), Reads::Functions, "{sql}");
    }
    for sql in [
        "SELECT 1",
        "SELECT now()",
        "SELECT * FROM spans, pg_class",
        "SELECT count(*) FROM (SELECT * FROM spans) pg_class",
    ] {
        assert_eq!(reads(sql), Reads::Tables, "{sql}");
    }
}

/// The oids of a table depend only on its name.
#[test]
fn oids_are_stable() {
    let oids = |snapshot: &Snapshot| {
        snapshot.tables.iter().map(|table| (table.table.name.clone(), table.oid)).collect::<Vec<_>>()
    };
    let (all, one) = (snapshot(), planned::snapshot(vec![snapshot().table("spans").unwrap().table.clone()]));
    assert!(oids(&one).iter().all(|one| oids(&all).contains(one)));
}
