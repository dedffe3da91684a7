//! Findings: what an analysis says of one key, and the state that it is in.

use crate::model::units::human;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How bad a firing key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Past the `warning` limit.
    Warning,
    /// Past the `critical` limit.
    Critical,
}

impl Severity {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// The state of one key of one pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// Evaluated, inside its limit.
    Ok,
    /// Past its limit for less than `for`.
    Pending,
    /// Past its limit.
    Firing,
    /// Nothing feeds it, or too little to judge.
    NoData,
}

impl FindingState {
    /// The word in the table.
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

/// How well a finding is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Inferred.
    Suspected,
    /// A planner agrees.
    Planned,
    /// Seen in the data that came in, or in a trial.
    Measured,
    /// Seen again in production after the mend.
    Verified,
}

/// A firing key that is inside its limit again, and fires on for `keep_firing_for`, lest it comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recovering {
    /// Since when it is inside its limit, or without traffic, ms since the epoch.
    pub since_ms: i64,
    /// Its value now, in the finding's unit; none where nothing comes in that could be judged.
    pub value: Option<f64>,
}

/// How the last firing of a key ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When, ms since the epoch.
    pub at_ms: i64,
    /// Why, where the reason is another one than a value inside the limit.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Recovering {
    /// For people: `recovering for 20 s, 5 ms now`, where `when` is `for 20 s` or `since 12:00`.
    #[must_use]
    pub fn said(&self, when: &str, unit: &str) -> String {
        match self.value {
            Some(value) => format!("recovering {when}, {} now", human(value, unit)),
            None => format!("no traffic {when}"),
        }
    }
}

/// One key of one finding pipeline. The row contract of the table `findings`, of the JSON and of every alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable over runs and restarts: digest of pipeline and key, hex.
    pub id: String,
    /// The pipeline's id, which is its file's name.
    pub pipeline: String,
    /// Worst limit that is passed; of an `ok` or `no_data` key, `None`.
    pub severity: Option<Severity>,
    /// Where the key stands.
    pub state: FindingState,
    /// One line for people, values filled in.
    pub title: String,
    /// The key's columns and their values, in the order of the pipeline's `key`; in JSON an object.
    #[serde(with = "key_object")]
    pub key: Arc<Vec<(String, String)>>,
    /// The judged value, in `unit`.
    pub value: Option<f64>,
    /// The limit that is passed, or the nearest one that is not, in `unit`.
    pub limit: Option<f64>,
    /// How much of the room between the best value and the limit is left, in percent: 100 at the best, 0 at the limit,
    /// below that past it.
    #[serde(default)]
    pub headroom: Option<f64>,
    /// Unit of `value` and `limit`: `ms`, `%`, `1`, `By`.
    pub unit: String,
    /// Rows, calls or lookups that the value rests on.
    pub samples: u64,
    /// Time burned, requests hit, share of all: for people.
    pub impact: String,
    /// Other columns of the evaluated row, by name, as JSON; one for all copies of the finding.
    #[serde(with = "shared")]
    pub evidence: Arc<serde_json::Map<String, serde_json::Value>>,
    /// Traces that show it.
    #[serde(with = "shared")]
    pub trace_ids: Arc<Vec<String>>,
    /// A query that shows it to whoever asks: one text for all keys of an evaluation.
    #[serde(with = "shared_text")]
    pub evidence_sql: Arc<str>,
    /// What to do: the first paragraph of the pipeline's prose.
    #[serde(with = "shared_text")]
    pub advice: Arc<str>,
    /// How well it is proven.
    pub proof: Proof,
    /// When the key was first evaluated, ms since the epoch.
    pub first_seen_ms: i64,
    /// When the key was last evaluated, ms since the epoch.
    pub last_seen_ms: i64,
    /// When the state was entered, ms since the epoch.
    pub state_since_ms: i64,
    /// When the current firing began, ms since the epoch: one firing is one incident, and one alert.
    pub firing_since_ms: Option<i64>,
    /// Where it is inside its limit again while it still fires. Title, value and evidence are then those of when it was
    /// last past its limit: they say why it fires.
    #[serde(default)]
    pub recovering: Option<Recovering>,
    /// How its last firing ended; none while it fires, and where it never did. It stays while the key has no data.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// What copies of a finding share.
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

/// A text that many findings share.
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

/// The key as a JSON object, `{"service_name": "shop", …}`, whose fields keep the order of the columns.
///
/// States of an earlier version have a list of pairs; those are read, too.
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
