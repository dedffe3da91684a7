//! What people read. Statements stand in findings as fingerprints only, so no literal leaves the process here.

use super::told::since_ms;
use crate::model::finding::{Finding, Severity};
use crate::model::units::human;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};
use xxhash_rust::xxh3::xxh3_128;

/// Findings that one Slack message shows; the rest is counted.
const SLACK_FINDINGS_MAX: usize = 10;
/// Slack takes 3000 characters in a section.
const SLACK_TEXT_MAX: usize = 2900;

/// One finding to be told of.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) finding: Finding,
    pub(super) resolved: bool,
    pub(super) ended_ms: Option<i64>,
}

impl Notice {
    /// The same for the same news.
    pub(super) fn mark(&self) -> String {
        let Finding { id, severity, .. } = &self.finding;
        format!("{id} {} {} {severity:?}", since_ms(&self.finding), self.resolved)
    }

    fn status(&self) -> &'static str {
        if self.resolved { "resolved" } else { "firing" }
    }

    fn severity(&self) -> &'static str {
        self.finding.severity.map_or("", Severity::as_str)
    }
}

/// A key by which a target knows a message that comes twice.
pub(super) fn idempotency_key(notices: &[Notice]) -> String {
    let marks: Vec<String> = notices.iter().map(Notice::mark).collect();
    format!("{:032x}", xxh3_128(marks.join("\n").as_bytes()))
}

/// JSON for any receiver, with the fields of Alertmanager's webhook, and each finding whole.
pub(super) fn webhook(notices: &[Notice]) -> Value {
    let alerts: Vec<Value> = notices.iter().map(alert).collect();
    let status = notices.first().map_or("firing", Notice::status);
    json!({
        "version": "4", "receiver": "spanwise", "status": status, "groupKey": "spanwise", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "truncatedAlerts": 0, "alerts": alerts,
    })
}

fn alert(notice: &Notice) -> Value {
    let finding = &notice.finding;
    let mut labels: Map<String, Value> =
        finding.key.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    labels.insert("alertname".to_owned(), Value::from(finding.pipeline.as_str()));
    labels.insert("severity".to_owned(), Value::from(notice.severity()));
    let zero = "0001-01-01T00:00:00Z".to_owned();
    json!({
        "status": notice.status(), "labels": labels,
        "annotations": {"summary": finding.title, "description": finding.advice, "impact": finding.impact,
                        "value": said(finding.value, finding), "limit": said(finding.limit, finding)},
        "startsAt": rfc3339(since_ms(finding)), "endsAt": notice.ended_ms.map_or(zero, rfc3339),
        "fingerprint": finding.id, "generatorURL": "", "finding": finding,
    })
}

/// A message for a Slack incoming webhook.
pub(super) fn slack(notices: &[Notice]) -> Value {
    let shown = &notices[..notices.len().min(SLACK_FINDINGS_MAX)];
    let mut attachments: Vec<Value> = shown.iter().map(attachment).collect();
    if notices.len() > shown.len() {
        let more = format!("and {} more: `SELECT * FROM findings WHERE state = 'firing'`", notices.len() - shown.len());
        attachments.push(json!({"color": "#888888", "blocks": [section(&more)]}));
    }
    let text = match notices {
        [notice] => headline(notice),
        _ => {
            let verb = if notices.first().is_some_and(|notice| notice.resolved) { "are over" } else { "fire" };
            format!("{} findings {verb}", notices.len())
        }
    };
    json!({ "text": text, "attachments": attachments })
}

fn headline(notice: &Notice) -> String {
    let mark = match (notice.resolved, notice.finding.severity) {
        (true, _) => ":white_check_mark: over:",
        (false, Some(Severity::Critical)) => ":red_circle: critical:",
        (false, _) => ":warning: warning:",
    };
    format!("{mark} {}", escape(&notice.finding.title))
}

fn attachment(notice: &Notice) -> Value {
    let finding = &notice.finding;
    let colour = match (notice.resolved, finding.severity) {
        (true, _) => "#2f8f4e",
        (false, Some(Severity::Critical)) => "#d03b3b",
        (false, _) => "#e0a000",
    };
    let mut text = format!("*{}*", headline(notice));
    if !notice.resolved {
        let facts = [
            said(finding.value, finding)
                .map(|value| format!("{value} of at most {}", said(finding.limit, finding).unwrap_or_default())),
            Some(escape(&finding.impact)).filter(|impact| !impact.is_empty()),
        ];
        text.push_str(&format!("\n{}", facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")));
        text.push_str(&format!("\n{}", escape(&finding.advice)));
        if !finding.trace_ids.is_empty() {
            text.push_str(&format!("\ntraces: {}", escape(&finding.trace_ids.join(", "))));
        }
    }
    json!({"color": colour, "blocks": [section(&text)]})
}

fn section(text: &str) -> Value {
    let text: String = text.chars().take(SLACK_TEXT_MAX).collect();
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// As Slack wants it: <https://docs.slack.dev/messaging/formatting-message-text>.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn said(value: Option<f64>, finding: &Finding) -> Option<String> {
    value.map(|value| human(value, &finding.unit))
}

fn rfc3339(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}
