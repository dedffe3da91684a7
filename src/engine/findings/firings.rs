//! The table `firings`: when each key fired, for pipelines.
//!
//! A finding that compares with the past can exclude the time in which it fired, and a finding can see that another one
//! fires that explains it. Both are written in SQL; this module knows no pipeline.

use super::history::Fired;
use super::state::Kept;
use crate::engine::tables::{StateRows, object};
use parking_lot::RwLock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of rows per pipeline; the newest are kept.
const OF_PIPELINE_MAX: usize = 2000;

/// The table `firings`, as of the pipeline evaluated last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Firings(Arc<RwLock<BTreeMap<String, StateRows>>>);

impl Firings {
    /// Returns all rows.
    pub(crate) fn rows(&self) -> StateRows {
        self.0.read().values().flatten().cloned().collect()
    }

    /// Replaces the firings of a pipeline's keys.
    pub(super) fn publish<'a>(&self, pipeline: &str, keys: impl Iterator<Item = &'a Kept>) {
        let mut found: Vec<(i64, Map<String, Value>)> = keys.flat_map(rows).collect();
        if found.len() > OF_PIPELINE_MAX {
            found.sort_by_key(|(newest_ms, _)| std::cmp::Reverse(*newest_ms));
            found.truncate(OF_PIPELINE_MAX);
        }
        let mut all = self.0.write();
        if found.is_empty() {
            all.remove(pipeline);
        } else {
            all.insert(pipeline.to_owned(), found.into_iter().map(|(_, row)| row).collect());
        }
    }
}

/// Returns the firings of a key as rows, each with the time by which rows are sorted.
fn rows(kept: &Kept) -> Vec<(i64, Map<String, Value>)> {
    let finding = &kept.finding;
    if kept.fired.all().is_empty() {
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
            row["evidence"] = finding.evidence.as_json().into();
            row["trace_ids"] = json!(*finding.trace_ids);
        }
        (fired.ended_ms.unwrap_or(i64::MAX), object(row))
    };
    kept.fired.all().iter().map(row).collect()
}
