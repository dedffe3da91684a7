//! `db_fingerprint(system, query)`: the query without its literals. `db_statement(system, query, summary, operation, collection)`:
//! the statement under which a call is counted, as in the column `db_fingerprint` of `spans`.

use crate::statements::{Call, cached_fingerprint, of};
use arrow::array::{Array as _, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// Creates `db_fingerprint(system, query)`.
pub(super) fn db_fingerprint() -> ScalarUDF {
    create_udf("db_fingerprint", vec![DataType::Utf8; 2], DataType::Utf8, Volatility::Immutable, Arc::new(fingerprints))
}

fn fingerprints(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let (systems, queries) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
    let prints: StringArray = systems
        .iter()
        .zip(queries.iter())
        .map(|(system, query)| Some(cached_fingerprint(system.unwrap_or_default(), query?)))
        .collect();
    Ok(ColumnarValue::Array(Arc::new(prints)))
}

/// Creates `db_statement(system, query, summary, operation, collection)`.
pub(super) fn db_statement() -> ScalarUDF {
    create_udf("db_statement", vec![DataType::Utf8; 5], DataType::Utf8, Volatility::Immutable, Arc::new(statements))
}

fn statements(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let columns: Vec<&StringArray> = columns.iter().map(AsArray::as_string::<i32>).collect();
    let statement = |row: usize| {
        let at = |column: usize| columns[column].is_valid(row).then(|| columns[column].value(row));
        of(&Call { system: at(0), query: at(1), summary: at(2), operation: at(3), collection: at(4) })
    };
    let statements: StringArray = (0..columns[0].len()).map(statement).collect();
    Ok(ColumnarValue::Array(Arc::new(statements)))
}
