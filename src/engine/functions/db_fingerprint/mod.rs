//! `db_fingerprint(system, query)`: the query without its literals, so that calls that differ in them alone are one
//! statement.
//!
//! SQL goes through a real parser in the dialect of its system and is printed from the tree: literals become `?`, lists
//! of them `(?)`, comments and odd spacing go. What does not parse is folded token by token, what has no tokens
//! character by character. Systems that speak no SQL have rules of their own.

mod other;
mod sql;

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

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
    static REMEMBERED: LazyLock<Mutex<HashMap<u128, Arc<str>>>> = LazyLock::new(Mutex::default);
    let key = xxhash_rust::xxh3::xxh3_128_with_seed(query.as_bytes(), xxhash_rust::xxh3::xxh3_64(system.as_bytes()));
    let lock = || REMEMBERED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(print) = lock().get(&key) {
        return print.clone();
    }
    let print: Arc<str> = fingerprint(system, query).into();
    let mut remembered = lock();
    if remembered.len() >= REMEMBERED_MAX {
        remembered.clear();
    }
    remembered.insert(key, print.clone());
    print
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
    use super::fingerprint;

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
    fn deep_and_long_statements_end() {
        let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(fingerprint("postgresql", &deep).chars().count() <= 2048);
        let long = format!("SELECT {}", "1+".repeat(50_000));
        assert!(fingerprint("postgresql", &long).chars().count() <= 2048);
    }
}
