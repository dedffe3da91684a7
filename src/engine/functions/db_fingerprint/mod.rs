//! `db_fingerprint(system, query)`: the query without its literals, so that calls that differ in them alone are one
//! statement.
//!
//! SQL goes through a real parser in the dialect of its system and is printed from the tree: literals become `?`, lists
//! of them `(?)`, comments and odd spacing go. What does not parse is folded token by token, what has no tokens
//! character by character. Systems that speak no SQL have rules of their own.

mod other;
mod shape;
mod sql;

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Characters of a fingerprint at most.
const LENGTH_MAX: usize = 2048;
/// Fingerprints that are remembered. Parsing costs some ten microseconds, and applications repeat themselves.
const REMEMBERED_MAX: usize = 20_000;

/// `db_fingerprint(system, query)`.
pub(super) fn db_fingerprint() -> ScalarUDF {
    let arguments = vec![DataType::Utf8, DataType::Utf8];
    create_udf("db_fingerprint", arguments, DataType::Utf8, Volatility::Immutable, Arc::new(evaluate))
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let (systems, queries) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
    let prints: StringArray = systems
        .iter()
        .zip(queries.iter())
        .map(|(system, query)| Some(remembered(system.unwrap_or_default(), query?)))
        .collect();
    Ok(ColumnarValue::Array(Arc::new(prints)))
}

fn remembered(system: &str, query: &str) -> Arc<str> {
    static PRINTS: LazyLock<Mutex<Prints>> = LazyLock::new(Mutex::default);
    let lock = || PRINTS.lock().unwrap_or_else(PoisonError::into_inner);
    let shape = shape::of(query);
    if let Some(print) = lock().find(system, query, shape.as_deref()) {
        return print;
    }
    let print: Arc<str> = fingerprint(system, query).into();
    let same = shape.as_deref().map(|shape| fingerprint(system, shape) == *print);
    lock().keep((system, query), (shape.as_deref(), same == Some(true)), &print);
    print
}

/// What is remembered: by shape where the literals make no difference, else by text.
#[derive(Default)]
struct Prints {
    by_text: HashMap<u128, Arc<str>>,
    /// `None` for a shape whose literals do make a difference, such as the precision of a type.
    by_shape: HashMap<u128, Option<Arc<str>>>,
}

impl Prints {
    fn find(&self, system: &str, query: &str, shape: Option<&str>) -> Option<Arc<str>> {
        if let Some(shape) = shape {
            // A shape that is not known yet shall be, even if the text is.
            if let Some(print) = self.by_shape.get(&key(system, shape))? {
                return Some(print.clone());
            }
        }
        self.by_text.get(&key(system, query)).cloned()
    }

    fn keep(&mut self, (system, query): (&str, &str), (shape, is_same): (Option<&str>, bool), print: &Arc<str>) {
        if self.by_text.len() + self.by_shape.len() >= REMEMBERED_MAX {
            self.by_text.clear();
            self.by_shape.clear();
        }
        if let Some(shape) = shape {
            self.by_shape.insert(key(system, shape), is_same.then(|| print.clone()));
        }
        if !is_same {
            self.by_text.insert(key(system, query), print.clone());
        }
    }
}

fn key(system: &str, text: &str) -> u128 {
    xxh3_128_with_seed(text.as_bytes(), xxh3_64(system.as_bytes()))
}

/// The fingerprint of a query to a database of the kind `system` (`db.system.name`).
#[must_use]
pub fn fingerprint(system: &str, query: &str) -> String {
    let mut print = match system {
        "redis" | "valkey" | "memcached" => other::command(query),
        "mongodb" | "elasticsearch" | "opensearch" | "couchbase" => other::json(query),
        _ => sql::fingerprint(system, query),
    };
    if let Some((end, _)) = print.char_indices().nth(LENGTH_MAX) {
        print.truncate(end);
    }
    print
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, remembered};

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
        check("postgresql", "SELECT a FROM t WHERE b IN (-1, -2)", "SELECT a FROM t WHERE b IN (-?)");
        check(
            "postgresql",
            "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))",
            "SELECT a FROM t WHERE (a, b) IN ((?, ?))",
        );
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
        for (system, open, close) in [("postgresql", "f(", ")"), ("mssql", "CONVERT(", ")"), ("mysql", "INTERVAL ", "")]
        {
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
        check("redis", "set user:17 secret EX 30", "SET ?");
        check("redis", "PING", "PING");
        check("redis", "GET a\nGET b\nDEL c", "GET ?; DEL ?");
    }

    #[test]
    fn json_keeps_the_keys_alone() {
        check(
            "mongodb",
            r#"{"find":"users","filter":{"age":{"$gt":17}}}"#,
            r#"{"find":"?","filter":{"age":{"$gt":"?"}}}"#,
        );
        check("mongodb", r#"{"ids":[1,2,3]}"#, r#"{"ids":["?"]}"#);
        check("mongodb", "find 'x' 17", "find ? ?");
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
            // The second time it is found, in whatever order.
            for query in queries.iter().chain(queries.iter().rev()) {
                assert_eq!(*remembered(system, query), fingerprint(system, query), "{system}: {query}");
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
}
