//! `glob(pattern, text)`: whether a text matches a pattern, in which `*` matches anything and `?` one character.

use arrow::array::{AsArray as _, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::HashMap;
use std::sync::Arc;

/// Creates `glob(pattern, text)`.
pub(super) fn glob() -> ScalarUDF {
    let arguments = vec![DataType::Utf8, DataType::Utf8];
    create_udf("glob", arguments, DataType::Boolean, Volatility::Immutable, Arc::new(evaluate))
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let mut compiled = HashMap::new();
    let mut fits = Vec::with_capacity(columns[0].len());
    for (pattern, text) in columns[0].as_string::<i32>().iter().zip(columns[1].as_string::<i32>().iter()) {
        let (Some(pattern), Some(text)) = (pattern, text) else {
            fits.push(None);
            continue;
        };
        if !compiled.contains_key(pattern) {
            compiled.insert(pattern, compile(pattern)?);
        }
        fits.push(compiled.get(pattern).map(|matcher| matcher.is_match(text)));
    }
    Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(fits))))
}

/// Returns whether a text matches a pattern; nothing matches an invalid pattern.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    compile(pattern).is_ok_and(|matcher| matcher.is_match(text))
}

fn compile(pattern: &str) -> Result<GlobMatcher> {
    GlobBuilder::new(pattern)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| exec_datafusion_err!("glob: {pattern:?} is not a pattern: {error}"))
}
