//! One evaluated row, held against its limits.

use super::message;
use crate::model::finding::Severity;
use crate::model::pipeline::{Direction, PipelineDef};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a row says of its key.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) id: String,
    pub(super) key: Arc<Vec<(String, String)>>,
    pub(super) value: Option<f64>,
    pub(super) samples: u64,
    /// The limit that is passed, or the nearest that is not.
    pub(super) limit: Option<f64>,
    /// How much of the room up to the limit is left, in percent.
    pub(super) headroom: Option<f64>,
    pub(super) verdict: Verdict,
    pub(super) title: String,
    pub(super) impact: String,
    pub(super) trace_ids: Arc<Vec<String>>,
    pub(super) evidence: Arc<Map<String, Value>>,
    pub(super) evidence_sql: Arc<str>,
    /// Where the judged window begins, ms since the epoch.
    pub(super) from_ms: i64,
    /// The finding that fires and says the same, where there is one: this one then does not fire beside it.
    pub(super) explained_by: Option<String>,
    /// A key that is explained does not go on to fire for a while, for the finding that explains it is exactly the same.
    pub(super) explained_at_once: bool,
    /// A longer time than the window, ms, which has too few samples, too.
    pub(super) too_few_in_ms: Option<i64>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too little to judge.
    NoData,
    /// Within its limits.
    Inside,
    /// Past one.
    Past(Severity),
}

/// Limits that win over those of the rows and of the front-matter.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    pub(super) warning: Option<f64>,
    pub(super) critical: Option<f64>,
    pub(super) samples_min: Option<u64>,
}

impl Judged {
    /// What a pipeline says that gave no row at all: there is nothing that its limits could be held against.
    pub(super) fn nothing(pipeline: &PipelineDef, limits: Limits) -> Judged {
        Judged::of(pipeline, Map::new(), (&Arc::from(""), 0), limits)
    }

    /// A row, of a statement over the window that begins at `from_ms`.
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
            evidence: Arc::new(row),
            evidence_sql: sql.clone(),
            from_ms,
            explained_by,
            explained_at_once,
            too_few_in_ms: None,
        }
    }
}

/// What explains a row that is past its limit: its column `explained_by`. A finding that is not as bad as the row (its
/// column `explained_severity`) explains nothing: people would not hear how bad it is.
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

/// How much of the room between the best value and the limit is left, in percent: 100 at the best, 0 at the limit, below
/// that past it. The best is 0 where more is worse; where less is worse, 100 of `%` and 1 of a share. A value without a
/// best is held against the limit alone.
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

/// The same for the same key of the same pipeline, in every process.
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
        // Of the thousandth that may fail, half has.
        close(headroom(99.95, 99.9, Direction::Below, "%"), 50.0);
        close(headroom(0.85, 0.9, Direction::Below, "1"), -50.0);
        close(headroom(15.0, 10.0, Direction::Below, "{call}"), 50.0);
        // One of counts, not of a share.
        close(headroom(15.0, 10.0, Direction::Below, "1"), 50.0);
        assert_eq!(headroom(0.0, 0.0, Direction::Above, "1"), None, "no room at all");
    }
}
