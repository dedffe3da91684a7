//! The row behind a finding.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The columns of an evaluated row, as JSON text: there can be thousands of findings, and parsed they would take several times
/// the memory. Copies share the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence(Arc<str>);

impl Default for Evidence {
    fn default() -> Self {
        Evidence("{}".into())
    }
}

impl From<&Map<String, Value>> for Evidence {
    fn from(columns: &Map<String, Value>) -> Self {
        serde_json::to_string(columns).map_or_else(|_| Evidence::default(), |text| Evidence(text.into()))
    }
}

impl Evidence {
    /// Returns the value of a column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<Value> {
        // Much faster than parsing, and most rows lack the columns that are asked for.
        if self.0.contains(column) { self.columns().remove(column) } else { None }
    }

    /// Returns the text of a column, if it is text.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<String> {
        match self.get(column)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns all columns.
    #[must_use]
    pub fn columns(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Returns a copy with a column set.
    #[must_use]
    pub fn with(&self, column: &str, value: Value) -> Evidence {
        let mut columns = self.columns();
        columns.insert(column.to_owned(), value);
        Evidence::from(&columns)
    }

    /// Returns the columns as a JSON object.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Returns whether both are copies of one.
    #[must_use]
    pub fn is_copy_of(&self, other: &Evidence) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.columns().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|columns| Evidence::from(&columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_read_replaced_and_stored_as_an_object() {
        let row = json!({"errors": 3, "exceptions": "said \"errors\"", "nothing": null});
        let evidence: Evidence = serde_json::from_value(row.clone()).expect("an object");
        assert_eq!(serde_json::to_value(&evidence).expect("JSON"), row);
        assert_eq!(evidence.get("errors"), Some(json!(3)));
        assert_eq!(evidence.text("exceptions").as_deref(), Some("said \"errors\""));
        assert_eq!((evidence.text("errors"), evidence.get("error"), evidence.get("said")), (None, None, None));
        let more = evidence.with("errors", json!(4));
        assert_eq!((more.get("errors"), evidence.get("errors")), (Some(json!(4)), Some(json!(3))));
        assert!(evidence.is_copy_of(&evidence.clone()) && !evidence.is_copy_of(&more));
        assert_eq!(Evidence::default().as_json(), "{}");
    }
}
