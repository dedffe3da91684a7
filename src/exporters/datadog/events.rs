//! Sends findings as events, in addition to their logs.
//!
//! Events go to `POST /api/v1/events`, the documented endpoint. It accepts one per request, so that a rejected one does not
//! affect others; findings are few. The Agent's `/intake/` is undocumented, and v2 accepts only changes and alerts.

use super::resource;
use crate::delivery::attributes::{Attributes, as_string};
use crate::delivery::{Outcome, Payload};
use crate::model::self_telemetry;
use crate::model::signal::Signal;
use crate::model::unix_time::since_epoch;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// Path of the API.
pub(super) const EVENTS: &str = "/api/v1/events";

/// Event name of log records that are findings, and prefix of their attributes.
const FINDING: &str = "spanwise.finding";
const KEY: &str = "spanwise.finding.key.";
/// Maximum characters of a text in Datadog.
const TEXT_MAX: usize = 4000;
/// Maximum characters of a tag.
const TAG_MAX: usize = 200;

/// How long an event is retried: it holds up the logs behind it, which contain the same information.
const PATIENCE: Duration = Duration::from_mins(15);

/// Returns the outcome of an event: it is given up if its intake cannot be reached for a while.
pub(super) fn in_time(outcome: Outcome, event: &[u8], now: SystemTime) -> Outcome {
    let Outcome::Retry { after, reason } = outcome else { return outcome };
    let told: Option<serde_json::Value> = serde_json::from_slice(event).ok();
    let happened = told.and_then(|event| event["date_happened"].as_u64()).map(Duration::from_secs);
    let age = since_epoch(now).saturating_sub(happened.unwrap_or_default());
    if age <= PATIENCE {
        return Outcome::Retry { after, reason };
    }
    Outcome::PermanentError(format!(
        "{reason} (an event is retried for {} minutes; the log of the same finding is still sent)",
        PATIENCE.as_secs() / 60
    ))
}

/// Returns the events of an encoded request.
///
/// # Errors
/// When it cannot be read.
pub(super) fn payloads(hostname: &str, request: &Bytes) -> anyhow::Result<Vec<Payload>> {
    // Most requests have none, and decoding them would be wasted.
    if !request.windows(FINDING.len()).any(|bytes| bytes == FINDING.as_bytes()) {
        return Ok(Vec::new());
    }
    Ok(of(hostname, &ExportLogsServiceRequest::decode(request.clone())?))
}

/// Returns an event for each finding among the records of a request. Events have no items; those belong to the logs.
pub(super) fn of(hostname: &str, request: &ExportLogsServiceRequest) -> Vec<Payload> {
    let mut payloads = Vec::new();
    for logs in &request.resource_logs {
        let attributes = Attributes::of(logs.resource.as_ref().map_or(&[], |resource| &resource.attributes));
        let own = logs
            .scope_logs
            .iter()
            .filter(|logs| logs.scope.as_ref().is_some_and(|scope| scope.name == self_telemetry::SCOPE));
        let findings = own.flat_map(|logs| &logs.log_records).filter(|record| record.event_name == FINDING);
        for record in findings {
            let body = event(hostname, resource::tags(&attributes), record).to_string().into();
            payloads.push(Payload { signal: Signal::Logs, route: EVENTS, items: 0, body });
        }
    }
    payloads
}

fn event(hostname: &str, mut tags: Vec<String>, record: &LogRecord) -> serde_json::Value {
    let attributes = Attributes::of(&record.attributes);
    let text = |name: &str| attributes.text(&format!("{FINDING}.{name}")).unwrap_or_default();
    let fires = text("state") == "firing";
    let named = ["pipeline", "state", "severity", "unit"].map(|name| (name, text(name).to_owned()));
    let keys: Vec<(&str, String)> = attributes
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix(KEY)?, value.map(as_string).unwrap_or_default().into_owned()))
        })
        .collect();
    let given = named.iter().chain(&keys).filter(|(_, value)| !value.is_empty());
    tags.extend(given.map(|(name, value)| cut(&format!("{name}:{value}"), TAG_MAX)));
    let title = record.body.as_ref().and_then(|body| body.value.as_ref()).map(as_string).unwrap_or_default();
    let title = if fires { title.into_owned() } else { format!("Resolved: {title}") };
    let alert_type = match (fires, text("severity")) {
        (true, "critical") => "error",
        (true, _) => "warning",
        (false, _) => "success",
    };
    let mut event = json!({
        "title": title,
        "text": cut(&body(&attributes, &keys), TEXT_MAX),
        "date_happened": record.time_unix_nano / 1_000_000_000,
        "priority": if fires { "normal" } else { "low" },
        "tags": tags,
        "alert_type": alert_type,
        // Groups the start, escalation and end of an incident.
        "aggregation_key": text("id"),
        "source_type_name": "spanwise",
    });
    if !hostname.is_empty() {
        event["host"] = hostname.into();
    }
    event
}

/// Describes a finding, one paragraph per aspect.
fn body(attributes: &Attributes<'_>, keys: &[(&str, String)]) -> String {
    let text = |name: &str| attributes.text(&format!("{FINDING}.{name}")).filter(|text| !text.is_empty());
    let compared = text("compared").map(|compared| format!("It is {compared}."));
    // Without new data, the last value is not the current one.
    let compared = text("resolution").map_or(compared, |reason| Some(format!("It has ended: {reason}.")));
    let of = keys.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    let traces = text("trace_ids").map(|ids| format!("Traces: {}", ids.replace(',', ", ")));
    let sql = text("evidence_sql").map(|sql| format!("What shows it, in Spanwise:\n{sql}"));
    let impact = text("impact").map(str::to_owned);
    let evidence = text("evidence").map(str::to_owned);
    let parts = [compared, impact, evidence, Some(of), text("advice").map(str::to_owned), traces, sql];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    #[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
    fn any(value: Value) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn text(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: any(Value::StringValue(value.into())), ..KeyValue::default() }
    }

    fn request(scope: &str, event_name: &str, state: &str, statement: &str) -> Bytes {
        let number = |name: &str, value| KeyValue {
            key: format!("{FINDING}.{name}"),
            value: any(Value::DoubleValue(value)),
            ..KeyValue::default()
        };
        let record = LogRecord {
            time_unix_nano: 1_700_000_000_999_999_999,
            event_name: event_name.into(),
            body: any(Value::StringValue("shop: p95 is 1.2 s".into())),
            attributes: vec![
                text("spanwise.finding.id", "a1"),
                text("spanwise.finding.pipeline", "slow_statement"),
                text("spanwise.finding.state", state),
                text("spanwise.finding.unit", "ms"),
                text("spanwise.finding.severity", if state == "firing" { "critical" } else { "" }),
                number("value", 1200.0),
                number("limit", 1000.0),
                text("spanwise.finding.compared", "1.2 s, 20 % over the limit of 1 s"),
                text("spanwise.finding.key.db_fingerprint", statement),
                text("spanwise.finding.evidence", "TimeoutError: no answer"),
                text("spanwise.finding.advice", "Look at its plan."),
                text("spanwise.finding.trace_ids", "0af3,0af4"),
            ],
            ..LogRecord::default()
        };
        let scope = Some(InstrumentationScope { name: scope.into(), ..InstrumentationScope::default() });
        let resource = Resource { attributes: vec![text("service.name", "shop")], ..Resource::default() };
        let logs = ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs { scope, log_records: vec![record], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        };
        ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into()
    }

    fn only(request: &Bytes) -> serde_json::Value {
        let payloads = payloads("web-1", request).unwrap();
        assert_eq!((payloads.len(), payloads[0].items, payloads[0].route), (1, 0, EVENTS));
        serde_json::from_slice(&payloads[0].body).unwrap()
    }

    #[test]
    fn a_finding_is_an_event_in_the_form_that_datadog_documents() {
        let event = only(&request("spanwise", FINDING, "firing", "SELECT ?"));
        let expected = json!({
            "title": "shop: p95 is 1.2 s",
            "text": "It is 1.2 s, 20 % over the limit of 1 s.\n\nTimeoutError: no answer\n\ndb_fingerprint: SELECT ?\n\nLook at its plan.\n\nTraces: 0af3, 0af4",
            "date_happened": 1_700_000_000, "priority": "normal", "alert_type": "error", "aggregation_key": "a1",
            "source_type_name": "spanwise", "host": "web-1",
            "tags": ["service:shop", "pipeline:slow_statement", "state:firing", "severity:critical", "unit:ms", "db_fingerprint:SELECT ?"],
        });
        assert_eq!(event, expected);
        let over = only(&request("spanwise", FINDING, "resolved", "SELECT ?"));
        assert_eq!((&over["title"], &over["alert_type"]), (&json!("Resolved: shop: p95 is 1.2 s"), &json!("success")));
        assert_eq!((&over["priority"], &over["aggregation_key"]), (&json!("low"), &json!("a1")));
    }

    #[test]
    fn texts_and_tags_keep_datadogs_bounds() {
        let event = only(&request("spanwise", FINDING, "firing", &"ä".repeat(5000)));
        assert_eq!(event["text"].as_str().unwrap().chars().count(), TEXT_MAX);
        let longest = event["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().chars().count()).max();
        assert_eq!(longest, Some(TAG_MAX));
    }

    #[test]
    fn what_others_call_so_is_no_finding() {
        for request in [request("other", FINDING, "firing", ""), request("spanwise", "other", "firing", "")] {
            assert_eq!(payloads("web-1", &request).unwrap(), []);
        }
        assert_eq!(payloads("web-1", &Bytes::new()).unwrap(), []);
    }

    #[test]
    fn an_event_holds_the_logs_up_for_a_while_and_no_longer() {
        let retry = || Outcome::Retry { after: None, reason: "404 Not Found".to_owned() };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let event = br#"{"date_happened": 1000}"#;
        assert!(matches!(in_time(retry(), event, at(1900)), Outcome::Retry { .. }));
        let given_up = in_time(retry(), event, at(1901));
        assert!(matches!(given_up, Outcome::PermanentError(reason) if reason.starts_with("404 Not Found")));
        assert!(matches!(in_time(Outcome::delivered(), event, at(9999)), Outcome::Delivered { .. }));
    }
}
