//! Findings as OTLP log records: one when a key starts to fire or changes its severity, and one when it is resolved.

use super::otlp::{attribute, scope, text};
use crate::model::finding::{Finding, FindingState, Severity};
use crate::state::State;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Kind of the state entries with the last record of each finding.
const REPORTED: &str = "derived_findings";
/// Name of the event.
const EVENT: &str = "spanwise.finding";

/// The reported state of each firing key, by finding id.
#[derive(Debug, Default)]
pub(super) struct Reported(BTreeMap<String, Fires>);

/// A finding reported as firing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fires {
    severity: String,
    /// The finding as reported, for the record of its resolution; `None` in the state of an earlier version.
    finding: Option<Finding>,
}

/// Changes by finding id: firing, or `None` if it is resolved.
pub(super) type News = Vec<(String, Option<Fires>)>;

impl Reported {
    /// # Errors
    /// Returns an error if the stored state cannot be read.
    pub(super) async fn read(state: &State) -> anyhow::Result<Reported> {
        let kept = state.entries(REPORTED).await?.into_iter();
        Ok(Reported(kept.map(|(id, bytes)| (id, Fires::read(&bytes))).collect()))
    }

    /// Returns the changes in `findings` since the last report; `own` is the resource of findings without a service. The
    /// list is complete: a reported finding that is missing in it is resolved, because its budget or its pipeline no longer
    /// exists.
    pub(super) fn changes(
        &self,
        findings: &[Finding],
        own: &Resource,
        now_ms: i64,
    ) -> (ExportLogsServiceRequest, News) {
        let (mut records, mut news) = (Vec::new(), News::new());
        for finding in findings {
            let severity = fires(finding);
            let reported = self.0.get(&finding.id).map(|reported| reported.severity.as_str());
            if severity != reported && is_judged(finding) {
                records.push(resource_logs(finding, own));
                let fires = |severity: &str| Fires { severity: severity.to_owned(), finding: Some(finding.clone()) };
                news.push((finding.id.clone(), severity.map(fires)));
            }
        }
        let judged: HashSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        for (id, reported) in self.0.iter().filter(|(id, _)| !judged.contains(id.as_str())) {
            records
                .extend(reported.finding.as_ref().map(|finding| resource_logs(&finding.no_longer_judged(now_ms), own)));
            news.push((id.clone(), None));
        }
        (ExportLogsServiceRequest { resource_logs: records }, news)
    }

    /// Stores the reported changes. A change that cannot be stored is reported again after a restart.
    pub(super) async fn keep(&mut self, news: News, state: &State) {
        for (id, fires) in news {
            let bytes = fires.as_ref().map(|fires| serde_json::to_vec(fires).unwrap_or_default());
            if let Err(error) = state.change(REPORTED, &[(id.as_str(), bytes.as_deref())]).await {
                tracing::warn!(%error, "cannot store the log state of a finding");
            }
            match fires {
                Some(fires) => drop(self.0.insert(id, fires)),
                None => drop(self.0.remove(&id)),
            }
        }
    }
}

impl Fires {
    /// Earlier versions stored only the severity, as text.
    fn read(bytes: &[u8]) -> Fires {
        let severity = || String::from_utf8_lossy(bytes).into_owned();
        serde_json::from_slice(bytes).unwrap_or_else(|_| Fires { severity: severity(), finding: None })
    }
}

/// Returns the severity at which a key fires.
fn fires(finding: &Finding) -> Option<&'static str> {
    (finding.state == FindingState::Firing).then(|| finding.severity.map_or("warning", Severity::as_str))
}

/// Returns whether a key has been evaluated or has ended: without data its state is unknown.
fn is_judged(finding: &Finding) -> bool {
    finding.state != FindingState::NoData || finding.ended.is_some()
}

fn resource_logs(finding: &Finding, own: &Resource) -> ResourceLogs {
    let service = finding.key.iter().find(|(column, _)| column == "service_name");
    let resource = match service {
        Some((_, name)) => Resource { attributes: vec![text("service.name", name)], ..Resource::default() },
        None => own.clone(),
    };
    let scope_logs =
        vec![ScopeLogs { scope: Some(scope()), log_records: vec![record(finding)], ..ScopeLogs::default() }];
    ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }
}

fn record(finding: &Finding) -> LogRecord {
    let (severity, severity_text) = match (finding.state, finding.severity) {
        (FindingState::Firing, Some(Severity::Critical)) => (SeverityNumber::Error, "ERROR"),
        (FindingState::Firing, _) => (SeverityNumber::Warn, "WARN"),
        _ => (SeverityNumber::Info, "INFO"),
    };
    let since = u64::try_from(finding.state_since_ms).unwrap_or_default().saturating_mul(1_000_000);
    LogRecord {
        time_unix_nano: since,
        observed_time_unix_nano: since,
        severity_number: severity.into(),
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(finding.title.clone())) }),
        attributes: attributes(finding),
        event_name: EVENT.to_owned(),
        ..LogRecord::default()
    }
}

fn attributes(finding: &Finding) -> Vec<KeyValue> {
    let state = if finding.state == FindingState::Firing { "firing" } else { "resolved" };
    let mut attributes = vec![
        text("spanwise.finding.id", &finding.id),
        text("spanwise.finding.pipeline", &finding.pipeline),
        text("spanwise.finding.state", state),
        text("spanwise.finding.unit", &finding.unit),
    ];
    attributes.extend(finding.severity.map(|severity| text("spanwise.finding.severity", severity.as_str())));
    let numbers = [("value", finding.value), ("limit", finding.limit), ("headroom", finding.headroom)];
    let number = |(name, value): (&str, Option<f64>)| {
        value.map(|value| attribute(&format!("spanwise.finding.{name}"), Value::DoubleValue(value)))
    };
    attributes.extend(numbers.into_iter().filter_map(number));
    attributes.extend(finding.key.iter().map(|(column, value)| text(&format!("spanwise.finding.key.{column}"), value)));
    let resolution = finding.ended.as_ref().and_then(|ended| ended.reason.clone());
    let texts = [
        ("resolution", resolution.unwrap_or_default()),
        ("compared", finding.compared().unwrap_or_default()),
        ("impact", finding.impact.clone()),
        ("evidence", finding.evidence_lines().join("\n")),
        ("advice", finding.advice.to_string()),
        ("evidence_sql", finding.evidence_sql.to_string()),
    ];
    let given = texts.into_iter().filter(|(_, value)| !value.is_empty());
    attributes.extend(given.map(|(name, value)| text(&format!("spanwise.finding.{name}"), &value)));
    if !finding.trace_ids.is_empty() {
        attributes.push(text("spanwise.finding.trace_ids", &finding.trace_ids.join(",")));
    }
    attributes
}
