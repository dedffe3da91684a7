//! Notifications, and their JSON for generic receivers. Findings contain statements as fingerprints only, so no literal leaves
//! the process here.

use super::notification_log::{Sent, since_ms};
use crate::model::finding::{Finding, Severity};
use crate::model::units::human;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};
use xxhash_rust::xxh3::xxh3_128;

/// Maximum number of traces in a message.
pub(super) const TRACES_MAX: usize = 5;

/// A notification about one finding.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// The finding as it is now, or as it was sent if it is gone.
    pub(super) finding: Finding,
    /// What happened; for a resolved incident, the title it was sent with.
    pub(super) title: String,
    /// Severity; for a resolved incident, the severity it was sent with.
    pub(super) severity: Option<Severity>,
    /// When the incident began.
    pub(super) since_ms: i64,
    /// When it ended; `None` while it fires.
    pub(super) ended_ms: Option<i64>,
}

impl Notice {
    /// Notification of a firing finding.
    pub(super) fn firing(finding: &Finding) -> Notice {
        Notice {
            finding: finding.clone(),
            title: title(finding),
            severity: finding.severity,
            since_ms: since_ms(finding),
            ended_ms: None,
        }
    }

    /// Notification of a resolved finding. Start, severity and title are those that were sent, so that a receiver can match the
    /// incident: the finding itself no longer has them.
    pub(super) fn resolved(sent: &Sent, now: Option<&Finding>, ended_ms: i64) -> Notice {
        Notice {
            finding: now.map_or_else(|| sent.finding.no_longer_judged(ended_ms), Finding::clone),
            title: sent.finding.title.clone(),
            severity: sent.finding.severity,
            since_ms: since_ms(&sent.finding),
            ended_ms: Some(ended_ms),
        }
    }

    pub(super) fn is_resolved(&self) -> bool {
        self.ended_ms.is_some()
    }

    /// Why it is resolved, if the value alone does not show it.
    pub(super) fn reason(&self) -> Option<&str> {
        let ended = self.finding.ended.as_ref().filter(|_| self.is_resolved())?;
        ended.reason.as_deref()
    }

    /// Identifies the notification, also across processes.
    pub(super) fn mark(&self) -> String {
        format!("{} {} {} {}", self.finding.id, self.since_ms, self.status(), self.severity_word())
    }

    fn status(&self) -> &'static str {
        if self.is_resolved() { "resolved" } else { "firing" }
    }

    fn severity_word(&self) -> &'static str {
        self.severity.map_or("", Severity::as_str)
    }
}

/// The title, with a remark if the finding is recovering: after an outage the channel may send it only then.
fn title(finding: &Finding) -> String {
    match finding.recovering {
        None => finding.title.clone(),
        Some(recovering) => {
            let when = format!("since {}", rfc3339(recovering.since_ms));
            format!("{} ({})", finding.title, recovering.said(&when, &finding.unit))
        }
    }
}

/// Key by which a target recognizes a duplicate message.
pub(super) fn idempotency_key(notices: &[Notice]) -> String {
    let marks: Vec<String> = notices.iter().map(Notice::mark).collect();
    format!("{:032x}", xxh3_128(marks.join("\n").as_bytes()))
}

/// JSON for any receiver, with the fields of Alertmanager's webhook and each complete finding.
pub(super) fn webhook(notices: &[Notice]) -> Value {
    let alerts: Vec<Value> = notices.iter().map(alert).collect();
    let status = notices.first().map_or("firing", Notice::status);
    json!({
        "version": "4", "receiver": "spanwise", "status": status, "groupKey": "spanwise", "groupLabels": {},
        "commonLabels": common(&alerts, "labels"), "commonAnnotations": common(&alerts, "annotations"),
        "externalURL": "", "truncatedAlerts": 0, "alerts": alerts,
    })
}

fn alert(notice: &Notice) -> Value {
    let finding = &notice.finding;
    let mut labels: Map<String, Value> =
        finding.key.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    labels.insert("alertname".to_owned(), Value::from(finding.pipeline.as_str()));
    labels.insert("severity".to_owned(), Value::from(notice.severity_word()));
    let zero = "0001-01-01T00:00:00Z".to_owned();
    json!({
        "status": notice.status(), "labels": labels, "annotations": annotations(notice),
        "startsAt": rfc3339(notice.since_ms), "endsAt": notice.ended_ms.map_or(zero, rfc3339),
        "fingerprint": finding.id, "generatorURL": "", "finding": finding,
    })
}

/// Non-empty texts only: Alertmanager's annotations are a map of strings.
fn annotations(notice: &Notice) -> Map<String, Value> {
    let finding = &notice.finding;
    let traces = finding.trace_ids.iter().take(TRACES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let said = |number: Option<f64>| number.map(|number| human(number, &finding.unit)).unwrap_or_default();
    let all = [
        ("summary", notice.title.clone()),
        ("description", finding.advice.to_string()),
        ("impact", finding.impact.clone()),
        ("compared", finding.compared().unwrap_or_default()),
        ("evidence", finding.evidence_lines().join("\n")),
        ("value", said(finding.value)),
        ("limit", said(finding.limit)),
        ("resolution", notice.reason().unwrap_or_default().to_owned()),
        ("trace_ids", traces),
        ("evidence_sql", finding.evidence_sql.to_string()),
    ];
    all.into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect()
}

/// Fields that are the same in all alerts.
fn common(alerts: &[Value], part: &str) -> Map<String, Value> {
    let Some((first, rest)) = alerts.split_first() else { return Map::new() };
    let mut all = first[part].as_object().cloned().unwrap_or_default();
    all.retain(|name, value| rest.iter().all(|alert| alert[part].get(name) == Some(value)));
    all
}

fn rfc3339(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
