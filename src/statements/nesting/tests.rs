use super::depth;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, MySqlDialect, dialect_from_str};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn depth_in(dialect: &dyn Dialect, sql: &str) -> usize {
    Tokenizer::new(dialect, sql).tokenize().map_or(0, |tokens| depth(&tokens))
}

fn depth_of(sql: &str) -> usize {
    depth_in(&GenericDialect {}, sql)
}

#[test]
fn calls_within_calls_count() {
    assert_eq!(depth_of("SELECT a FROM t WHERE (b = 1 AND (c = 2 OR (d IN (1, 2))))"), 0);
    assert_eq!(depth_of("SELECT f(1), g(2), h(3)"), 1);
    assert_eq!(depth_of("SELECT coalesce(lower(upper (a)), f('((('))"), 3);
    assert_eq!(depth_of("SELECT f(1)(2)"), 1);
    assert_eq!(depth_of(&"f(".repeat(40)), 40);
    assert_eq!(depth_of("SELECT INTERVAL INTERVAL '1 day', INTERVAL '1'"), 4);
    assert_eq!(depth_of("ö(ü(ß)))"), 2);
    assert_eq!(depth_of("SELECT a[b[1]][2]"), 2);
    assert_eq!(depth_of("SELECT * FROM (SELECT cast(trim(a) AS INT) FROM (t JOIN u ON a = b))"), 5);
    assert_eq!(depth_of("SELECT position(a IN b)"), 3);
    assert_eq!(depth_of("INSERT INTO t VALUES (f(g(1)), NOT (a))"), 4);
}

#[test]
fn cases_count_until_their_end() {
    assert_eq!(depth_of("SELECT CASE a WHEN 1 THEN 2 END, CASE WHEN f(b) THEN 1 END"), 2);
    assert_eq!(depth_of("SELECT (CASE WHEN 1 THEN 2 END), sum(CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END)"), 3);
    assert_eq!(depth_of(&format!("select {}", "case when 1 then ".repeat(24))), 24);
    assert_eq!(depth_of("SELECT \"case\", `case`, 'case', t.end"), 0);
}

#[test]
fn nothing_hides_in_comments_and_quotes() {
    let calls = "f(".repeat(30);
    assert_eq!(depth_of(&format!("SELECT 1 -- it's\n, {calls}")), 30);
    assert_eq!(depth_of(&format!("SELECT 1 /* \" */, {calls}")), 30);
    assert_eq!(depth_in(&MySqlDialect {}, &format!("SELECT 1 # '\n, '\\'', {calls}")), 30);
}

/// Constructs that can be nested any number of times.
const WITHIN: [&str; 92] = [
    "NOT ",
    "(",
    "CASE ",
    "CASE WHEN ",
    "CASE 1 WHEN 1 THEN ",
    "CASE WHEN 1 THEN ",
    "CASE WHEN 1 THEN 1 ELSE ",
    "CASE (",
    "EXISTS (",
    "EXISTS (SELECT ",
    "NOT EXISTS (SELECT ",
    "NOT (",
    "INTERVAL ",
    "INTERVAL (",
    "INTERVAL f(",
    "INTERVAL - ",
    "INTERVAL CASE ",
    "- ",
    "+ ",
    "~ ",
    "@ ",
    "! ",
    "|/ ",
    "PRIOR ",
    "BINARY ",
    "DATE ",
    "TIMESTAMP ",
    "DATE (",
    "CAST(",
    "TRY_CAST(",
    "CONVERT(",
    "CAST(1 AS ARRAY<",
    "CAST(1 AS STRUCT<a ",
    "CAST(1 AS T(",
    "a::",
    "EXTRACT(",
    "EXTRACT(YEAR FROM ",
    "SUBSTRING(",
    "TRIM(",
    "TRIM(BOTH ",
    "POSITION(",
    "CEIL(",
    "FLOOR(",
    "OVERLAY(",
    "LISTAGG(",
    "ARRAY[",
    "ARRAY(",
    "ARRAY(SELECT ",
    "[",
    "{",
    "{a:",
    "{'a':",
    "MAP {",
    "{fn f(",
    "a[",
    "a.b[",
    "a.(",
    "a.f(",
    "a:b[",
    "STRUCT(",
    "STRUCT<a ",
    "STRUCT<a INT>(",
    "ROW(",
    "TUPLE(",
    "(1,",
    "x -> ",
    "(x) -> ",
    "(x, y) -> ",
    "LAMBDA x : ",
    "f(",
    "f(x -> ",
    "f(DISTINCT ",
    "f(x => ",
    "f(SELECT ",
    "f(CASE ",
    "COUNT(*) FILTER (WHERE ",
    "f() OVER (PARTITION BY ",
    "(SELECT ",
    "(SELECT * FROM (",
    "SELECT * FROM (",
    "SELECT * FROM a JOIN (",
    "(a JOIN ",
    "a JOIN (",
    "LATERAL (",
    "TABLE(",
    "UNNEST(",
    "VALUES (f(",
    "WITH a AS (",
    "a IN (",
    "a = ANY(",
    "a BETWEEN ",
    "JSON_OBJECT('a': ",
];

const DIALECTS: [&str; 8] = ["generic", "postgresql", "mysql", "sqlite", "mssql", "oracle", "clickhouse", "ansi"];

/// Returns statements of the maximum depth, with one kind of nesting and with several in turn.
fn deepest(calls_max: usize) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut turn = 0_usize;
    for dialect in DIALECTS {
        let rules = dialect_from_str(dialect).unwrap();
        let mut deepen = |head: &str, mut next: Box<dyn FnMut() -> &'static str>| {
            let mut sql = head.to_owned();
            for _ in 0..60 {
                let deeper = format!("{sql}{}", next());
                if depth_in(&*rules, &deeper) > calls_max {
                    break;
                }
                sql = deeper;
            }
            found.extend(["", "1"].map(|tail| (dialect, format!("{sql}{tail}"))));
        };
        for head in ["SELECT ", "SELECT * FROM ", "SELECT 1 FROM t WHERE "] {
            for within in WITHIN {
                deepen(head, Box::new(move || within));
            }
            for _ in 0..50 {
                turn += 1;
                let mut state = turn;
                let random = move || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    WITHIN[(state >> 33) % WITHIN.len()]
                };
                deepen(head, Box::new(random));
            }
        }
    }
    found
}

#[test]
fn what_is_let_through_is_parsed_in_no_time_whatever_stands_within_itself() {
    let (tell, told) = mpsc::channel();
    let parsing = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
        let mut slowest = (Duration::ZERO, "", String::new());
        for (dialect, sql) in deepest(crate::statements::sql::CALLS_MAX) {
            tell.send(Some((dialect, sql.clone()))).unwrap();
            let began = Instant::now();
            let rules = dialect_from_str(dialect).unwrap();
            let parser = Parser::new(&*rules).with_recursion_limit(50).try_with_sql(&sql);
            let _any = parser.and_then(|mut parser| parser.parse_statements());
            slowest = slowest.max((began.elapsed(), dialect, sql));
        }
        println!("slowest: {slowest:?}");
        tell.send(None).unwrap();
    });
    let mut last = None;
    loop {
        // Parsing takes milliseconds; the timeout allows for a busy machine.
        match told.recv_timeout(Duration::from_secs(20)) {
            Ok(None) => break,
            Ok(next) => last = next,
            Err(error) => panic!("the parser is still at it ({error}): {last:?}"),
        }
    }
    parsing.unwrap().join().unwrap();
}
