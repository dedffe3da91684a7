//! Dead letters: what a target rejected, kept for the table `dead_letters`.

use super::state_store::StateStore;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// Kind of the entries in the state store.
pub const DEAD_LETTERS: &str = "dead_letter";
/// Maximum number of dead letters per exporter and signal; the oldest are evicted first.
const DEAD_LETTERS_MAX: usize = 1000;

/// One dead letter.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// Key, unique per exporter and signal; also the eviction order.
    pub(crate) key: String,
    /// Position of the frame in the log, if any.
    pub(crate) position: Option<u64>,
    /// Number of items.
    pub(crate) items: u64,
    /// The target's message.
    pub(crate) reason: String,
}

/// Stores dead letters atomically, and evicts the oldest beyond the limit.
///
/// # Errors
/// When the state store fails.
pub(crate) async fn record(
    memory: &dyn StateStore,
    (sink, signal): (&str, &str),
    letters: &[DeadLetter],
) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let written = |letter: &DeadLetter| {
        let DeadLetter { key, position, items, reason } = letter;
        let letter = json!({
            "sink": sink, "position": position, "signal": signal, "items": items, "reason": reason, "time": time_us,
        });
        (of(sink, signal, key), letter.to_string().into_bytes())
    };
    let mut new: BTreeMap<String, Vec<u8>> = letters.iter().map(written).collect();
    let kept = memory.entries(DEAD_LETTERS).await?.into_iter();
    let kept = kept.filter(|(key, letter)| is_of((sink, signal), key, letter) && !new.contains_key(key));
    let mut old: Vec<String> = kept.map(|(key, _)| key).collect();
    // A new letter older than all stored ones may itself be evicted.
    let over = (old.len() + new.len()).saturating_sub(DEAD_LETTERS_MAX);
    let mut all: Vec<&String> = old.iter().chain(new.keys()).collect();
    all.sort();
    let gone: BTreeSet<String> = all.into_iter().take(over).cloned().collect();
    new.retain(|key, _| !gone.contains(key));
    old.retain(|key| gone.contains(key));
    memory.change(DEAD_LETTERS, &new.into_iter().collect::<Vec<_>>(), &old).await
}

/// Removes a dead letter that was accepted after all.
///
/// # Errors
/// When the state store fails.
pub(crate) async fn remove(memory: &dyn StateStore, (sink, signal): (&str, &str), key: &str) -> anyhow::Result<()> {
    memory.change(DEAD_LETTERS, &[], &[of(sink, signal, key)]).await
}

fn of(sink: &str, signal: &str, key: &str) -> String {
    format!("{sink}/{signal}/{key}")
}

/// Returns true if the letter belongs to this exporter and signal. The key alone is ambiguous: keys of an exporter `otlp/logs`
/// begin like those of `otlp`.
fn is_of((sink, signal): (&str, &str), key: &str, letter: &[u8]) -> bool {
    let says = |letter: &Value, field: &str, text: &str| letter.get(field).and_then(Value::as_str) == Some(text);
    key.starts_with(&of(sink, signal, ""))
        && serde_json::from_slice::<Value>(letter)
            .is_ok_and(|letter| says(&letter, "sink", sink) && says(&letter, "signal", signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::state_store::testing::InMemory;

    fn letters(numbers: std::ops::Range<u64>) -> Vec<DeadLetter> {
        let letter = |number: u64| DeadLetter {
            key: format!("{number:06}"),
            position: Some(number),
            items: 1,
            reason: "no".to_owned(),
        };
        numbers.map(letter).collect()
    }

    #[tokio::test]
    async fn a_thousand_are_kept_of_each_exporter_and_signal_in_one_write_each() {
        let memory = InMemory::default();
        record(&memory, ("other", "logs"), &letters(0..3)).await.unwrap();
        record(&memory, ("otlp", "logs"), &letters(0..900)).await.unwrap();
        // Some are recorded twice, as after a restart.
        record(&memory, ("otlp", "logs"), &letters(800..1100)).await.unwrap();
        assert_eq!(memory.changes(), 3);
        let kept = memory.entries(DEAD_LETTERS).await.unwrap();
        let of = |sink: &str| {
            let keys = kept.iter().map(|(key, _)| key.clone());
            keys.filter(|key| key.starts_with(sink)).collect::<Vec<_>>()
        };
        let expected: Vec<String> = (100..1100).map(|number| format!("otlp/logs/{number:06}")).collect();
        assert_eq!((of("other/").len(), of("otlp/")), (3, expected));
        record(&memory, ("otlp", "logs"), &letters(2000..4000)).await.unwrap();
        let kept = memory.entries(DEAD_LETTERS).await.unwrap();
        assert_eq!((kept.len(), kept[3].0.as_str()), (1003, "otlp/logs/003000"));
    }

    #[tokio::test]
    async fn an_exporter_named_as_anothers_signal_keeps_letters_of_its_own() {
        let memory = InMemory::default();
        record(&memory, ("otlp_http/logs", "traces"), &letters(0..1000)).await.unwrap();
        record(&memory, ("otlp_http", "logs"), &letters(0..1000)).await.unwrap();
        assert_eq!(memory.entries(DEAD_LETTERS).await.unwrap().len(), 2000);
        record(&memory, ("otlp_http", "logs"), &letters(1000..1001)).await.unwrap();
        let kept: Vec<String> = memory.entries(DEAD_LETTERS).await.unwrap().into_iter().map(|(key, _)| key).collect();
        assert!(kept.contains(&"otlp_http/logs/traces/000000".to_owned()), "the other's oldest");
        assert_eq!((kept.len(), kept[0].as_str()), (2000, "otlp_http/logs/000001"));
    }
}
