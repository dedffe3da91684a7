use super::fingerprint::{cached_fingerprint, fingerprint};

#[track_caller]
fn check(system: &str, query: &str, expected: &str) {
    assert_eq!(fingerprint(system, query), expected);
}

#[test]
fn literals_and_spacing_go() {
    let expected = "SELECT a FROM t WHERE b = ? AND c = ?";
    check("postgresql", "select a from t where b = 1 and c = 'x'", expected);
    check("postgresql", "SELECT  a\nFROM t -- why\nWHERE b = 22 AND c = 'it''s'", expected);
    check("postgresql", "SELECT a FROM t WHERE b = $1 AND c = $2", expected);
    check("mysql", "SELECT a FROM t WHERE b = ? AND c = \"x\"", expected);
}

#[test]
fn lists_and_rows_of_literals_fold() {
    check("postgresql", "SELECT a FROM t WHERE b IN (1, 2, 3)", "SELECT a FROM t WHERE b IN (?)");
    check("postgresql", "SELECT a FROM t WHERE b IN ($1)", "SELECT a FROM t WHERE b IN (?)");
    check("postgresql", "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)", "INSERT INTO t (a, b) VALUES (?, ?)");
    check("sqlite", "SELECT a FROM t LIMIT 10 OFFSET 20", "SELECT a FROM t LIMIT ? OFFSET ?");
}

#[test]
fn casts_signs_tuples_and_arrays_of_literals_fold() {
    check("postgresql", "SELECT a FROM t WHERE b IN ($1::uuid, $2::uuid)", "SELECT a FROM t WHERE b IN (?::UUID)");
    check("postgresql", "SELECT a FROM t WHERE b IN (-1, -2)", "SELECT a FROM t WHERE b IN (?)");
    check("postgresql", "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT a FROM t WHERE (a, b) IN ((?, ?))");
    check("postgresql", "SELECT a FROM t WHERE b = ANY(ARRAY[1, 2, 3])", "SELECT a FROM t WHERE b = ANY(ARRAY[?])");
}

#[test]
fn what_a_session_names_makes_no_difference() {
    check("postgresql", "SAVEPOINT \"s140235_x17\"", "SAVEPOINT ?");
    check("postgresql", "RELEASE SAVEPOINT s140235_x17", "RELEASE SAVEPOINT ?");
    check("postgresql", "ROLLBACK TO SAVEPOINT s1", "ROLLBACK TO SAVEPOINT ?");
    check("postgresql", "DEALLOCATE pdo_stmt_00000017", "DEALLOCATE ?");
    check("postgresql", "NOTIFY ch, 'secret'", "NOTIFY ch , ?");
    check("postgresql", "COMMIT", "COMMIT");
}

#[test]
fn calls_within_calls_end() {
    for (system, open, close) in [("postgresql", "f(", ")"), ("mssql", "CONVERT(", ")"), ("mysql", "INTERVAL ", "")] {
        let query = format!("SELECT {}1{}", open.repeat(60), close.repeat(60));
        assert!(fingerprint(system, &query).contains('?'), "{query}");
    }
}

#[test]
fn null_and_names_stay() {
    check("postgresql", "SELECT a FROM \"T\" WHERE b IS NULL", "SELECT a FROM \"T\" WHERE b IS NULL");
    check("mysql", "SELECT `a` FROM `t`", "SELECT `a` FROM `t`");
}

#[test]
fn what_does_not_parse_is_folded_by_tokens() {
    check("postgresql", "SELEC a FRM t WHERE b = 17 AND c = 'secret'", "SELEC a FRM t WHERE b = ? AND c = ?");
    check("postgresql", "SELECT a FROM t WHERE b IN (1,2,3", "SELECT a FROM t WHERE b IN ( ?");
    check("postgresql", "SELECT 'never closed", "SELECT ?");
}

#[test]
fn redis_keeps_the_command_alone() {
    check("redis", "GET user:17", "GET ?");
    check("Redis", "set user:17 secret EX 30", "SET ?");
    check("redis", "PING", "PING");
    check("redis", "GET a\nGET b\nDEL c", "GET ?; DEL ?");
    check("redis", "SET k \"line1\nsecret2 foo\nsecret3 bar\"", "SET ?");
    check("redis", "user:17:profile", "?");
    check("redis", "JSON.SET k $ 1", "JSON.SET ?");
}

#[test]
fn json_keeps_keys_and_the_collection() {
    check(
        "mongodb",
        r#"{"find":"users","filter":{"age":{"$gt":17}}}"#,
        r#"{"find":"users","filter":{"age":{"$gt":"?"}}}"#,
    );
    check("mongodb", r#"{"getMore":17,"collection":"users"}"#, r#"{"getMore":"?","collection":"users"}"#);
    check("mongodb", r#"{"filter":{"find":"secret"}}"#, r#"{"filter":{"find":"?"}}"#);
    check("mongodb", r#"{"ids":[1,2,3]}"#, r#"{"ids":["?"]}"#);
    check("mongodb", "find 'x' 17", "find ? ?");
    check(
        "aws.dynamodb",
        r#"{"TableName":"t","Key":{"id":{"S":"17"}}}"#,
        r#"{"TableName":"t","Key":{"id":{"S":"?"}}}"#,
    );
    check(
        "elasticsearch",
        "{\"index\":{\"_id\":1}}\n{\"a\":\"s \\\" t\"}\n{\"index\":{\"_id\":2}}\n{\"a\":\"u\"}",
        r#"{"a":"?"} {"index":{"_id":"?"}}"#,
    );
}

#[test]
fn stages_and_kinds_of_items_tell_documents_apart() {
    let aggregate = |stages: &str| fingerprint("mongodb", &format!(r#"{{"aggregate":"o","pipeline":[{stages}]}}"#));
    let (matching, grouping, sorting) = (r#"{"$match":{"a":1}}"#, r#"{"$group":{"_id":"$x"}}"#, r#"{"$sort":{"y":1}}"#);
    assert_ne!(aggregate(&format!("{matching},{grouping}")), aggregate(&format!("{matching},{sorting}")));
    assert_ne!(aggregate(&format!("{matching},{grouping}")), aggregate(&format!("{grouping},{matching}")));
    assert_ne!(
        aggregate(r#"{"$lookup":{"from":"users","as":"u"}}"#),
        aggregate(r#"{"$lookup":{"from":"carts","as":"u"}}"#)
    );
    let must = |items: &str| fingerprint("elasticsearch", &format!(r#"{{"bool":{{"must":[{items}]}}}}"#));
    let (term, range) = (r#"{"term":{"a":"x"}}"#, r#"{"range":{"b":{"gte":1}}}"#);
    assert_ne!(must(&format!("{term},{range}")), must(term));
    assert_eq!(must(&format!("{term},{term}")), must(term));
    let insert = |documents: &str| fingerprint("mongodb", &format!(r#"{{"insert":"u","documents":[{documents}]}}"#));
    assert_eq!(insert(r#"{"a":1},{"b":2},{"a":3}"#), insert(r#"{"b":1},{"a":2}"#));
}

#[test]
fn placeholders_of_drivers_fold_as_others() {
    let expected = "SELECT a FROM t WHERE b = ? AND c IN (?)";
    for (system, placeholder) in [
        ("postgresql", "%s"),
        ("mysql", "%s"),
        ("postgresql", "%(c_1)s"),
        ("mssql", "@p0"),
        ("postgresql", "@p0"),
        ("gcp.spanner", "@p0"),
        ("postgresql", "?"),
        ("oracle.db", ":1"),
        ("", ":name"),
        ("sqlite", "?1"),
        ("", "17"),
    ] {
        for count in 1..30 {
            let list = vec![placeholder; count].join(", ");
            check(system, &format!("SELECT a FROM t WHERE b={placeholder} AND c IN ({list})"), expected);
        }
    }
}

#[test]
fn rows_fold_however_many_they_are() {
    for row in ["(%s, %s)", "(%(a)s,%(b)s)", "(1, 'x')", "(NULL, 2)", "(?, ?)", "(1, NULL::int)"] {
        let expected = if row.contains("::") {
            "INSERT INTO t (a, b) VALUES (?, ?::INT)"
        } else {
            "INSERT INTO t (a, b) VALUES (?, ?)"
        };
        for count in [1, 2, 2_000, 20_000] {
            let rows = vec![row; count].join(",");
            check("postgresql", &format!("INSERT INTO t (a, b) VALUES {rows}"), expected);
        }
    }
    check("cassandra", "FOO t VALUES (1, 'x'), (2, 'y') BAR", "FOO t VALUES ( ? ) BAR");
    check("cassandra", "FOO (1, f(2)), (2, f(3))", "FOO ( ? f ( ? ) )");
    check(
        "mysql",
        "INSERT INTO t (a, b) VALUES (1, 2), (3, 4) ON DUPLICATE KEY UPDATE a = VALUES(a), b = VALUES(b)",
        "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE a = VALUES(a), b = VALUES(b)",
    );
}

/// A map with data as keys has one fingerprint for any size, like a list.
#[test]
fn maps_fold_however_many_entries_they_have() {
    for (entry, expected) in [
        ("'k¤': 'v'", "FOO t SET m = { ? : ? } WHERE id = ?"),
        ("'k¤':1", "FOO t SET m = { ? : ? } WHERE id = ?"),
        ("¤ : -1.5", "FOO t SET m = { ? : ? } WHERE id = ?"),
        ("'k¤': {'x¤': 1, 'y': 2}", "FOO t SET m = { ? : { ? : ? } } WHERE id = ?"),
        ("'k¤': [1, 2, ¤]", "FOO t SET m = { ? : [ ? ] } WHERE id = ?"),
        ("%s: %s", "FOO t SET m = { ? : ? } WHERE id = ?"),
    ] {
        for count in [1, 2, 3, 40, 1000] {
            let entries = (1..=count).map(|at| entry.replace('¤', &at.to_string())).collect::<Vec<_>>().join(", ");
            check("cassandra", &format!("FOO t SET m = {{{entries}}} WHERE id = 7"), expected);
        }
    }
    for system in ["cassandra", "clickhouse", "duckdb", "trino"] {
        let of = |map: &str| fingerprint(system, &format!("INSERT INTO t (a, m) VALUES (1, {map})"));
        assert_eq!(of("{'a': 1}"), of("{'b': 2, 'c': 3, 'd': 4}"), "{system}");
        let of = |map: &str| fingerprint(system, &format!("UPDATE t SET m = m + {map} WHERE a = 1"));
        assert_eq!(of("{'a': 'x'}"), of("{'b': 'it''s', 'c': 'y'}"), "{system}");
        let of = |map: &str| fingerprint(system, &format!("SELECT MAP {map} FROM t"));
        assert_eq!(of("{'a': 1}"), of("{'b': 2, 'c': 3}"), "{system}");
        let of = |map: &str| fingerprint(system, &format!("SELECT map({map}) FROM t"));
        assert_eq!(of("'a', 1"), of("'b', 2, 'c', 3"), "{system}");
    }
    // Truncated by its sender, within an entry.
    let cut = |map: &str| fingerprint("cassandra", &format!("UPDATE t SET m = {{{map}"));
    assert_eq!(cut("'a': 'x', 'b': 'y"), cut("'a': 'x', 'b': 'y', 'c': 'z"));
    // Names remain, like columns.
    check("neo4j", "CREATE (p {name: 'x', age: 3})", "CREATE ( p { name : ? age : ? } )");
    assert_ne!(fingerprint("neo4j", "CREATE (p {name: 'x'})"), fingerprint("neo4j", "CREATE (p {name: 'x', age: 3})"));
}

#[test]
fn double_quotes_are_texts_where_they_stand_as_values() {
    let expected = "SELECT \"a\" FROM \"t\" WHERE \"b\" = ? AND c IN (?)";
    for system in ["sqlite", "other_sql", ""] {
        check(system, "SELECT \"a\" FROM \"t\" WHERE \"b\" = \"x\" AND c IN (\"y\", \"z\")", expected);
        check(system, "SELECT a FROM t JOIN u ON t.a = \"u\".\"b\"", "SELECT a FROM t JOIN u ON t.a = \"u\".\"b\"");
        check(system, "INSERT INTO t (\"a\") VALUES (\"x\"), (\"y\")", "INSERT INTO t (\"a\") VALUES (?)");
        check(system, "SELECT a FROM t WHERE b BETWEEN \"x\" AND \"y\"", "SELECT a FROM t WHERE b BETWEEN ? AND ?");
    }
    check("postgresql", "SELECT a FROM t WHERE b = \"c\"", "SELECT a FROM t WHERE b = \"c\"");
    check("other_sql", r"SELECT a FROM t WHERE b = 'it\'s me' AND c = 1", "SELECT a FROM t WHERE b = ? AND c = ?");
}

#[test]
fn limits_hints_and_bare_ids_are_literals() {
    check("mssql", "SELECT TOP 10 a FROM t", "SELECT TOP (?) a FROM t");
    check("mssql", "SELECT TOP (20) a FROM t", "SELECT TOP (?) a FROM t");
    check("mysql", "SELECT /*+ MAX_EXECUTION_TIME(17) */ a FROM t", "SELECT a FROM t");
    let id = "5f2b0e3c-1d4e-11ee-be56-0242ac120002";
    check(
        "cassandra",
        &format!("SELECT a FROM t WHERE b = {id} ALLOW FILTERING"),
        "SELECT a FROM t WHERE b = ? ALLOW FILTERING",
    );
    check("influxdb", "SELECT a FROM t WHERE time > now() - 1h30m X", "SELECT a FROM t WHERE time > now ( ) - ? X");
}

#[test]
fn what_a_statement_names_for_itself_stays() {
    check("mysql", "SELECT @x := 5", "SELECT @x := ?");
    check("mysql", "SELECT @@max_allowed_packet", "SELECT @@max_allowed_packet");
    check("mssql", "EXEC p @a = 5, @b = @p1", "EXEC p @a = ? @b = ?");
    check("postgresql", "SELECT a FROM t WHERE b ? 'key'", "SELECT a FROM t WHERE b ? ?");
}

#[test]
fn what_is_remembered_is_what_would_be_made() {
    let queries = [
        "SELECT a FROM t WHERE b = 17 AND c = 'x'",
        "SELECT a FROM t WHERE b = 18 AND c = 'it''s'",
        "SELECT CAST(a AS NUMERIC(10, 2)) FROM t WHERE b = 1",
        "SELECT CAST(a AS NUMERIC(12, 4)) FROM t WHERE b = 2",
        "SELECT a FROM t1 WHERE b IN (1, 2)",
        "SELECT a FROM t2 WHERE b IN (1, 2)",
        "SELECT 1.5, 2e10, 0x1F, -3, a1, b_2, $1, :3 FROM t",
        "SELECT E'a\\'b', X'1F', N'x' FROM \"it's 7\" -- it's 8",
        "SELEC 17 FRM 'x",
        "GET user:17",
        r#"{"find":"users","filter":{"age":17}}"#,
    ];
    for system in ["postgresql", "mysql", "sqlite", "redis", "mongodb", ""] {
        // The second pass finds cached ones, in any order.
        for query in queries.iter().chain(queries.iter().rev()) {
            assert_eq!(*cached_fingerprint(system, query), fingerprint(system, query), "{system}: {query}");
        }
    }
}

#[test]
fn deep_and_long_statements_end() {
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(fingerprint("postgresql", &deep).chars().count() <= 2048);
    let long = format!("SELECT {}", "1+".repeat(50_000));
    assert!(fingerprint("postgresql", &long).chars().count() <= 2048);
}

/// Receivers decode small requests on threads of the async runtime.
#[test]
fn a_statement_as_long_as_is_parsed_fits_the_stack_of_a_receiver() {
    const STACK_BYTES: usize = 2 << 20;
    let statements = || {
        [
            format!("SELECT {}1", "1+".repeat(2400)),
            format!("SELECT * FROM t WHERE {}a=1", "a=1 OR ".repeat(700)),
            format!("SELECT {}a", "NOT ".repeat(2400)),
            format!("SELECT {}1", "- ".repeat(2400)),
            format!("SELECT a{}", "::int".repeat(1600)),
            format!("SELECT a{}", "[1]".repeat(1600)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(1200)),
            format!("SELECT a{}", " IS NULL".repeat(2400)),
            format!("SELECT a FROM t{}", " JOIN t USING (a)".repeat(700)),
        ]
    };
    for (index, statement) in statements().into_iter().enumerate() {
        for system in ["postgresql", "mysql", "clickhouse", ""] {
            let text = statement.clone();
            let parsing = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || fingerprint(system, &text));
            let print = parsing.expect("started").join().expect("no panic");
            assert!(print.chars().count() <= 2048, "statement {index}, {system}");
        }
    }
}
