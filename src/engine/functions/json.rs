//! `json_text(text, key)`: a field of a JSON object as text, or as JSON if it is no string; null if the text is no
//! object or has no such field. Structured bodies of log records are such objects.

use arrow::array::{Array as _, AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use serde_json::Value;
use std::sync::Arc;

/// Creates `json_text(text, key)`.
pub(super) fn json_text() -> ScalarUDF {
    let text = vec![DataType::Utf8, DataType::Utf8];
    create_udf("json_text", text, DataType::Utf8, Volatility::Immutable, Arc::new(fields))
}

fn fields(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(args)?;
    let (texts, keys) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
    let fields: StringArray = (0..texts.len())
        .map(|row| (texts.is_valid(row) && keys.is_valid(row)).then(|| field(texts.value(row), keys.value(row)))?)
        .collect();
    Ok(ColumnarValue::Array(Arc::new(fields)))
}

fn field(text: &str, key: &str) -> Option<String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut object)) => match object.remove(key)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_text_and_what_is_missing_is_nothing() {
        let body = r#"{"name":"fcp","value":2500.5,"tags":["a"],"none":null}"#;
        assert_eq!(field(body, "name").as_deref(), Some("fcp"));
        assert_eq!(field(body, "value").as_deref(), Some("2500.5"));
        assert_eq!(field(body, "tags").as_deref(), Some(r#"["a"]"#));
        for (text, key) in [(body, "none"), (body, "other"), ("fcp", "name"), ("[1]", "name"), ("{", "name")] {
            assert_eq!(field(text, key), None, "{key} of {text}");
        }
    }
}
