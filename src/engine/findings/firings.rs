//! When each key fired: kept with the key's state, over restarts, and shown to pipelines as the table `firings`.
//!
//! So a finding that compares with the past can leave out the time in which it was firing itself, and one that another
//! finding explains can see that the other fires. Both are matters of SQL; nothing here knows a pipeline.

use super::state::Kept;
use crate::engine::tables::StateRows;
use crate::model::pipeline::Direction;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How long a firing is remembered after its end.
const REMEMBERED_MS: i64 = 24 * 3_600_000;
/// Firings of one key that are remembered, the newest: a key that comes and goes must not grow without bound.
const OF_KEY_MAX: usize = 20;
/// Rows of one pipeline, the newest.
const OF_PIPELINE_MAX: usize = 2000;

/// A time in which a key fired, ms since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fired {
    /// Where the window began that was the first past the limit: rows from then on are those of the fault.
    from_ms: i64,
    since_ms: i64,
    ended_ms: Option<i64>,
    /// The value furthest past the limit.
    worst: Option<f64>,
}

/// The firings of one key, oldest first; the last one may go on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Fired>);

impl History {
    /// The key fires since `since_ms`.
    pub(super) fn begin(&mut self, from_ms: i64, since_ms: i64) {
        if self.open().is_some() {
            return;
        }
        self.0.retain(|fired| fired.ended_ms.is_none_or(|ended_ms| since_ms - ended_ms <= REMEMBERED_MS));
        if self.0.len() >= OF_KEY_MAX {
            self.0.drain(..=self.0.len() - OF_KEY_MAX);
        }
        self.0.push(Fired { from_ms, since_ms, ended_ms: None, worst: None });
    }

    /// A value past the limit.
    pub(super) fn past(&mut self, value: Option<f64>, direction: Direction) {
        let Some(fired) = self.0.last_mut().filter(|fired| fired.ended_ms.is_none()) else { return };
        let further = |value: f64, worst: f64| match direction {
            Direction::Above | Direction::AtLeast => value > worst,
            Direction::Below => value < worst,
        };
        if let Some(value) = value.filter(|value| fired.worst.is_none_or(|worst| further(*value, worst))) {
            fired.worst = Some(value);
        }
    }

    /// It fires no more.
    pub(super) fn end(&mut self, now_ms: i64) {
        if let Some(fired) = self.0.last_mut() {
            fired.ended_ms = fired.ended_ms.or(Some(now_ms));
        }
    }

    /// Where the window began that was the first past the limit, of a firing that goes on.
    pub(super) fn open_from_ms(&self) -> Option<i64> {
        self.open().map(|fired| fired.from_ms)
    }

    fn open(&self) -> Option<&Fired> {
        self.0.last().filter(|fired| fired.ended_ms.is_none())
    }
}

/// The table `firings`: what the evaluator has found, as of the pipeline that it judged last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Firings(Arc<RwLock<BTreeMap<String, StateRows>>>);

impl Firings {
    /// All rows.
    pub(crate) fn rows(&self) -> StateRows {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }

    /// Puts the firings of a pipeline's keys in place of those before.
    pub(super) fn publish<'a>(&self, pipeline: &str, keys: impl Iterator<Item = &'a Kept>) {
        let mut found: Vec<(i64, Map<String, Value>)> = keys.flat_map(rows).collect();
        if found.len() > OF_PIPELINE_MAX {
            found.sort_by_key(|(newest_ms, _)| std::cmp::Reverse(*newest_ms));
            found.truncate(OF_PIPELINE_MAX);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() {
            all.remove(pipeline);
        } else {
            all.insert(pipeline.to_owned(), found.into_iter().map(|(_, row)| row).collect());
        }
    }
}

/// The firings of a key as rows, each with the time that says how new it is.
fn rows(kept: &Kept) -> Vec<(i64, Map<String, Value>)> {
    let finding = &kept.finding;
    if kept.fired.0.is_empty() {
        return Vec::new();
    }
    let key: Map<String, Value> =
        finding.key.iter().map(|(column, value)| (column.clone(), Value::from(value.as_str()))).collect();
    let row = |fired: &Fired| {
        let mut row = json!({
            "pipeline": finding.pipeline, "finding_id": finding.id, "key": key, "worst": fired.worst,
            "from_time": fired.from_ms * 1000, "started": fired.since_ms * 1000,
            "ended": fired.ended_ms.map(|ended_ms| ended_ms * 1000),
        });
        if fired.ended_ms.is_none() {
            row["severity"] = json!(finding.severity);
            row["limit_value"] = json!(finding.limit);
            row["evidence"] = Value::Object(finding.evidence.clone()).to_string().into();
            row["trace_ids"] = json!(finding.trace_ids);
        }
        (fired.ended_ms.unwrap_or(i64::MAX), crate::engine::costs::object(row))
    };
    kept.fired.0.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_and_goes_is_remembered_within_bounds() {
        let mut history = History::default();
        for n in 0..100 {
            history.begin(n * 1000 - 300, n * 1000);
            history.past(Some(5.0), Direction::Above);
            history.past(Some(7.0), Direction::Above);
            history.past(Some(6.0), Direction::Above);
            history.end(n * 1000 + 500);
            history.end(n * 1000 + 900);
        }
        assert_eq!(history.0.len(), OF_KEY_MAX);
        let last = Fired { from_ms: 98_700, since_ms: 99_000, ended_ms: Some(99_500), worst: Some(7.0) };
        assert_eq!(history.0.last(), Some(&last));
        history.begin(0, 99_500 + REMEMBERED_MS + 1);
        assert_eq!(history.0.len(), 1, "a day later it is forgotten");
        history.begin(0, i64::MAX);
        assert_eq!(history.0.len(), 1, "it fires already");
    }

    #[test]
    fn less_may_be_worse() {
        let mut history = History::default();
        history.begin(0, 0);
        for value in [80.0, 60.0, 70.0] {
            history.past(Some(value), Direction::Below);
        }
        history.past(None, Direction::Below);
        assert_eq!(history.0[0].worst, Some(60.0));
    }
}
