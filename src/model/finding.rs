//! Findings: the result of an analysis for one key, and its state.

use crate::model::evidence::Evidence;
use crate::model::units::human;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Severity of a firing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Past the `warning` limit.
    Warning,
    /// Past the `critical` limit.
    Critical,
}

impl Severity {
    /// Returns the word used in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// State of one key of one pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// Evaluated and within its limit.
    Ok,
    /// Past its limit, but for less than `for`.
    Pending,
    /// Past its limit for at least `for`.
    Firing,
    /// No data, or too few samples to evaluate.
    NoData,
}

impl FindingState {
    /// Returns the word used in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FindingState::Ok => "ok",
            FindingState::Pending => "pending",
            FindingState::Firing => "firing",
            FindingState::NoData => "no_data",
        }
    }
}

/// Strength of the evidence for a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Inferred.
    Suspected,
    /// Confirmed by a planner.
    Planned,
    /// Measured in received data, or in a trial.
    Measured,
    /// Measured again in production after the fix.
    Verified,
}

/// A firing key that is back within its limit and keeps firing for `keep_firing_for`, to avoid flapping.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recovering {
    /// Time since which it is within its limit or without traffic, ms since the epoch.
    pub since_ms: i64,
    /// Current value in the finding's unit; `None` without data to evaluate.
    pub value: Option<f64>,
}

/// End of the last firing of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Time of the end, ms since the epoch.
    pub at_ms: i64,
    /// Reason, if it is not that the value is back within its limit.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Recovering {
    /// Formats it for people: `recovering for 20 s, 5 ms now`, where `when` is `for 20 s` or `since 12:00`.
    #[must_use]
    pub fn said(&self, when: &str, unit: &str) -> String {
        match self.value {
            Some(value) => format!("recovering {when}, {} now", human(value, unit)),
            None => format!("no traffic {when}"),
        }
    }
}

/// One key of one finding pipeline: the row format of the table `findings`, of the JSON and of every alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable across runs and restarts: hex digest of pipeline and key.
    pub id: String,
    /// Id of the pipeline, which is its file name.
    pub pipeline: String,
    /// Severest limit that is exceeded; `None` for an `ok` or `no_data` key.
    pub severity: Option<Severity>,
    /// State of the key.
    pub state: FindingState,
    /// One-line summary for people, with values filled in.
    pub title: String,
    /// Key columns and values, in the order of the pipeline's `key`; an object in JSON.
    #[serde(with = "key_object")]
    pub key: Arc<Vec<(String, String)>>,
    /// Evaluated value, in `unit`.
    pub value: Option<f64>,
    /// The exceeded limit, or the nearest one that is not exceeded, in `unit`.
    pub limit: Option<f64>,
    /// Remaining room between the best value and the limit, in percent: 100 at the best value, 0 at the limit, negative past
    /// it.
    #[serde(default)]
    pub headroom: Option<f64>,
    /// Unit of `value` and `limit`: `ms`, `%`, `1`, `By`.
    pub unit: String,
    /// Number of rows, calls or lookups behind the value.
    pub samples: u64,
    /// Impact for people: time spent, requests affected, share of the total.
    pub impact: String,
    /// Other columns of the evaluated row; shared by all copies of the finding.
    pub evidence: Evidence,
    /// Ids of example traces.
    #[serde(with = "shared")]
    pub trace_ids: Arc<Vec<String>>,
    /// A query that returns the evidence, shared by all keys of an evaluation.
    #[serde(with = "shared_text")]
    pub evidence_sql: Arc<str>,
    /// Recommended action: the first paragraph of the pipeline's prose.
    #[serde(with = "shared_text")]
    pub advice: Arc<str>,
    /// Strength of the evidence.
    pub proof: Proof,
    /// Time of the first evaluation of the key, ms since the epoch.
    pub first_seen_ms: i64,
    /// Time of the last evaluation of the key, ms since the epoch.
    pub last_seen_ms: i64,
    /// Time at which the state was entered, ms since the epoch.
    pub state_since_ms: i64,
    /// Start of the current firing, ms since the epoch: one firing is one incident and one alert.
    pub firing_since_ms: Option<i64>,
    /// Set while the key still fires but is back within its limit. Title, value and evidence are those of the last time it was
    /// past its limit, because they explain why it fires.
    #[serde(default)]
    pub recovering: Option<Recovering>,
    /// End of the last firing; `None` while it fires, and if it never fired. Kept while the key has no data.
    #[serde(default)]
    pub ended: Option<Ended>,
}

impl Finding {
    /// Memory in bytes, without the texts that all keys of a pipeline share.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let key: usize = self.key.iter().map(|(column, value)| column.len() + value.len()).sum();
        let traces: usize = self.trace_ids.iter().map(String::len).sum();
        let texts = [&self.id, &self.pipeline, &self.title, &self.unit, &self.impact].map(String::len);
        size_of::<Finding>() + key + traces + texts.iter().sum::<usize>() + self.evidence.as_json().len()
    }
}

/// Serializes values that copies of a finding share.
mod shared {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// Serializes texts that many findings share.
mod shared_text {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

/// Serializes the key as a JSON object, `{"service_name": "shop", …}`, with fields in the order of the columns.
///
/// Also reads the list of pairs written by earlier versions.
mod key_object {
    use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
    use serde::ser::Serializer;
    use std::fmt;
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(key: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(key.iter().map(|(column, value)| (column, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Vec<(String, String)>>, D::Error> {
        deserializer.deserialize_any(Columns).map(Arc::new)
    }

    struct Columns;

    impl<'de> Visitor<'de> for Columns {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of columns, or a list of pairs")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut key = Vec::new();
            while let Some(column) = map.next_entry()? {
                key.push(column);
            }
            Ok(key)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
            let mut key = Vec::new();
            while let Some(column) = pairs.next_element()? {
                key.push(column);
            }
            Ok(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Keyed {
        #[serde(with = "key_object")]
        key: Arc<Vec<(String, String)>>,
    }

    #[test]
    fn a_key_is_an_object_in_the_order_of_its_columns_and_an_old_list_of_pairs_is_read() {
        let pair = |column: &str, value: &str| (column.to_owned(), value.to_owned());
        let key = vec![pair("service_name", "shop"), pair("db_fingerprint", "SELECT ?"), pair("a", "")];
        let keyed = Keyed { key: Arc::new(key) };
        let text = r#"{"key":{"service_name":"shop","db_fingerprint":"SELECT ?","a":""}}"#;
        assert_eq!(serde_json::to_string(&keyed).expect("JSON"), text);
        assert_eq!(serde_json::to_value(&keyed).expect("JSON").to_string(), text);
        assert_eq!(serde_json::from_str::<Keyed>(text).expect("the new form"), keyed);
        let old = r#"{"key":[["service_name","shop"],["db_fingerprint","SELECT ?"],["a",""]]}"#;
        assert_eq!(serde_json::from_str::<Keyed>(old).expect("the old form"), keyed);
        assert!(serde_json::from_str::<Keyed>(r#"{"key":"shop"}"#).is_err());
    }
}
