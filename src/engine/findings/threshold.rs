//! Compares a row with its limits.

use super::message;
use crate::model::evidence::Evidence;
use crate::model::finding::Severity;
use crate::model::pipeline::{Direction, PipelineDef};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Judgement of a row's key.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) id: String,
    pub(super) key: Arc<Vec<(String, String)>>,
    pub(super) value: Option<f64>,
    pub(super) samples: u64,
    /// The exceeded limit, or the nearest one that is not exceeded.
    pub(super) limit: Option<f64>,
    /// Remaining headroom up to the limit, in percent.
    pub(super) headroom: Option<f64>,
    pub(super) verdict: Verdict,
    pub(super) title: String,
    pub(super) impact: String,
    pub(super) trace_ids: Arc<Vec<String>>,
    pub(super) evidence: Evidence,
    pub(super) evidence_sql: Arc<str>,
    /// Start of the judged window, ms since the epoch.
    pub(super) from_ms: i64,
    /// The firing finding that explains this one, which then does not fire as well.
    pub(super) explained_by: Option<String>,
    /// Whether an explained key ends without `keep_firing_for`, because the other finding reports exactly the same.
    pub(super) explained_at_once: bool,
    /// A window longer than the pipeline's that also has too few samples, ms.
    pub(super) too_few_in_ms: Option<i64>,
}

/// Verdict on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too few samples.
    NoData,
    /// Within its limits.
    Inside,
    /// Beyond a limit.
    Past(Severity),
}

/// Limits that override those of rows and of the front-matter.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    pub(super) warning: Option<f64>,
    pub(super) critical: Option<f64>,
    pub(super) samples_min: Option<u64>,
}

impl Judged {
    /// Returns the judgement of a pipeline without any row, which has nothing to compare with its limits.
    pub(super) fn nothing(pipeline: &PipelineDef, limits: Limits) -> Judged {
        Judged::of(pipeline, Map::new(), (&Arc::from(""), 0), limits)
    }

    /// Judges a row of a statement over the window that begins at `from_ms`.
    pub(super) fn of(
        pipeline: &PipelineDef,
        mut row: Map<String, Value>,
        (sql, from_ms): (&Arc<str>, i64),
        limits: Limits,
    ) -> Judged {
        let key: Vec<(String, String)> = pipeline
            .finding
            .iter()
            .flat_map(|finding| &finding.key)
            .map(|column| (column.clone(), row.get(column).map(text).unwrap_or_default()))
            .collect();
        let number = |column: &str| row.get(column).and_then(Value::as_f64);
        let value = number("value");
        let samples = number("samples").map_or(0, whole);
        let (verdict, limit) = pipeline.finding.as_ref().map_or((Verdict::NoData, None), |finding| {
            let warning = limits.warning.or_else(|| number("warning")).or(finding.warning);
            let critical = limits.critical.or_else(|| number("critical")).or(finding.critical);
            let samples_min = limits.samples_min.or_else(|| number("samples_min").map(whole));
            let value = value.filter(|_| samples >= samples_min.unwrap_or(finding.samples_min).max(1));
            judge(finding.direction, value, warning, critical)
        });
        let explained_by = explanation(&mut row, verdict);
        let explained_at_once = row.remove("explained_at_once") == Some(Value::Bool(true));
        let verdict = if explained_by.is_some() { Verdict::Inside } else { verdict };
        let trace_ids = row.remove("trace_ids").map(|ids| split(&ids)).unwrap_or_default();
        let unit = pipeline.finding.as_ref().map_or("", |finding| finding.unit.as_str());
        let template = pipeline.finding.as_ref().map_or("", |finding| finding.message.as_str());
        let counted = pipeline.finding.as_ref().map_or("samples", |finding| finding.counted.as_str());
        let title = match (verdict, &explained_by) {
            (Verdict::Past(_), _) => message::fill(template, &row, value, limit, samples, unit),
            (Verdict::Inside, Some(by)) => message::explained(&pipeline.title, &key, value, by, unit),
            (Verdict::Inside, None) => message::inside(&pipeline.title, &key, value, limit, unit),
            (Verdict::NoData, _) => message::without_data(&pipeline.title, &key, samples, counted),
        };
        let direction = pipeline.finding.as_ref().map_or(Direction::Above, |finding| finding.direction);
        Judged {
            id: id(&pipeline.id, &key),
            title,
            headroom: value.zip(limit).and_then(|(value, limit)| headroom(value, limit, direction, unit)),
            impact: message::impact(&row, samples, counted),
            key: Arc::new(key),
            value,
            samples,
            limit,
            verdict,
            trace_ids: Arc::new(trace_ids),
            evidence: Evidence::from(&row),
            evidence_sql: sql.clone(),
            from_ms,
            explained_by,
            explained_at_once,
            too_few_in_ms: None,
        }
    }
}

/// Returns the explanation of a row beyond its limit: its column `explained_by`. A finding less severe than the row
/// (its column `explained_severity`) explains nothing, because it would hide the severity.
fn explanation(row: &mut Map<String, Value>, verdict: Verdict) -> Option<String> {
    let severity = row.remove("explained_severity");
    let by = row.get("explained_by").map(text).filter(|by| !by.is_empty())?;
    let Verdict::Past(of_row) = verdict else { return None };
    let is_milder = severity.is_some_and(|severity| severity == Severity::Warning.as_str());
    (!is_milder || of_row == Severity::Warning).then_some(by)
}

fn judge(
    direction: Direction,
    value: Option<f64>,
    warning: Option<f64>,
    critical: Option<f64>,
) -> (Verdict, Option<f64>) {
    let nearest = warning.or(critical);
    let Some(value) = value.filter(|value| value.is_finite()) else { return (Verdict::NoData, nearest) };
    let past = |limit: f64| match direction {
        Direction::Above => value > limit,
        Direction::AtLeast => value >= limit,
        Direction::Below => value < limit,
    };
    if critical.is_some_and(past) {
        (Verdict::Past(Severity::Critical), critical)
    } else if warning.is_some_and(past) {
        (Verdict::Past(Severity::Warning), warning)
    } else {
        (Verdict::Inside, nearest)
    }
}

/// Returns the remaining headroom between the best value and the limit, in percent: 100 at the best value, 0 at the
/// limit, negative beyond it. The best value is 0 if more is worse; if less is worse, it is 100 for `%` and 1 for a
/// share. Without a best value, the headroom is relative to the limit.
fn headroom(value: f64, limit: f64, direction: Direction, unit: &str) -> Option<f64> {
    let (left, room) = match direction {
        Direction::Above | Direction::AtLeast => (limit - value, limit),
        Direction::Below => {
            let best = [("%", 100.0), ("1", 1.0)].iter().find(|(known, best)| *known == unit && limit <= *best);
            (value - limit, best.map_or(limit, |(_, best)| best - limit))
        }
    };
    Some(100.0 * left / room).filter(|headroom| headroom.is_finite())
}

/// Returns an id that is equal for equal keys of a pipeline, in every process.
fn id(pipeline: &str, key: &[(String, String)]) -> String {
    let mut bytes = pipeline.as_bytes().to_vec();
    for (_, value) in key {
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value.as_bytes());
    }
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

fn split(ids: &Value) -> Vec<String> {
    ids.as_str().unwrap_or_default().split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headroom_is_the_share_of_the_room_that_is_left() {
        let close = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?}, expected {expected}");
        };
        close(headroom(150.0, 200.0, Direction::Above, "ms"), 25.0);
        close(headroom(450.0, 250.0, Direction::Above, "ms"), -80.0);
        close(headroom(3.0, 5.0, Direction::AtLeast, "{query}"), 40.0);
        // Half of the thousandth that may fail has failed.
        close(headroom(99.95, 99.9, Direction::Below, "%"), 50.0);
        close(headroom(0.85, 0.9, Direction::Below, "1"), -50.0);
        close(headroom(15.0, 10.0, Direction::Below, "{call}"), 50.0);
        // A count, not a share.
        close(headroom(15.0, 10.0, Direction::Below, "1"), 50.0);
        assert_eq!(headroom(0.0, 0.0, Direction::Above, "1"), None, "no room at all");
    }
}
