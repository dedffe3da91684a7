//! One evaluated row, held against its limits.

use super::message;
use crate::model::finding::Severity;
use crate::model::pipeline::{Direction, FindingDef, PipelineDef};
use serde_json::{Map, Value};

/// What a row says of its key.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) id: String,
    pub(super) key: Vec<(String, String)>,
    pub(super) value: Option<f64>,
    pub(super) samples: u64,
    /// The limit that is passed, or the nearest that is not.
    pub(super) limit: Option<f64>,
    pub(super) verdict: Verdict,
    pub(super) title: String,
    pub(super) impact: String,
    pub(super) trace_ids: Vec<String>,
    pub(super) evidence: Map<String, Value>,
    pub(super) evidence_sql: String,
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

impl Judged {
    pub(super) fn of(pipeline: &PipelineDef, mut row: Map<String, Value>, sql: &str) -> Judged {
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
            let warning = number("warning").or(finding.warning);
            let critical = number("critical").or(finding.critical);
            judge(finding, value, samples, warning, critical)
        });
        let trace_ids = row.remove("trace_ids").map(|ids| split(&ids)).unwrap_or_default();
        let unit = pipeline.finding.as_ref().map_or("", |finding| finding.unit.as_str());
        let template = pipeline.finding.as_ref().map_or("", |finding| finding.message.as_str());
        Judged {
            id: id(&pipeline.id, &key),
            title: message::fill(template, &row, value, limit, samples, unit),
            impact: message::impact(&row, samples),
            key,
            value,
            samples,
            limit,
            verdict,
            trace_ids,
            evidence: row,
            evidence_sql: sql.to_owned(),
        }
    }
}

fn judge(
    finding: &FindingDef,
    value: Option<f64>,
    samples: u64,
    warning: Option<f64>,
    critical: Option<f64>,
) -> (Verdict, Option<f64>) {
    let nearest = warning.or(critical);
    let Some(value) = value.filter(|value| value.is_finite() && samples >= finding.samples_min.max(1)) else {
        return (Verdict::NoData, nearest);
    };
    let past = |limit: f64| match finding.direction {
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
