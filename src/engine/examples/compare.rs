//! Compares rows with expected rows: in any order, by the columns that the expectation names.

use crate::model::pipeline::ExampleRows;
use serde_json::{Map, Value};

/// Sketches are within .54%; all other values are exact far below this.
const TOLERANCE: f64 = 0.01;

/// Checks that each expected row matches one row, and that no row is left over.
pub(super) fn compare(expected: &ExampleRows, found: &ExampleRows) -> Result<(), String> {
    let mut left: Vec<&Map<String, Value>> = found.iter().collect();
    for row in expected {
        match left.iter().position(|candidate| fits(row, candidate)) {
            Some(index) => drop(left.swap_remove(index)),
            None => return Err(format!("expected a row {}, found {}", text(row), list(&left))),
        }
    }
    if left.is_empty() { Ok(()) } else { Err(format!("expected {} rows, found also {}", expected.len(), list(&left))) }
}

fn fits(expected: &Map<String, Value>, found: &Map<String, Value>) -> bool {
    expected.iter().all(|(column, value)| equal(value, found.get(column).unwrap_or(&Value::Null)))
}

fn equal(expected: &Value, found: &Value) -> bool {
    match (expected.as_f64(), found.as_f64()) {
        (Some(expected), Some(found)) => (expected - found).abs() <= TOLERANCE * expected.abs(),
        _ => expected == found,
    }
}

fn text(row: &Map<String, Value>) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

fn list(rows: &[&Map<String, Value>]) -> String {
    if rows.is_empty() { "none".to_owned() } else { rows.iter().map(|row| text(row)).collect::<Vec<_>>().join(" ") }
}
