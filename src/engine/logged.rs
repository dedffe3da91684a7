//! Exceptions in log records, by trace. Current semantic conventions send exceptions as log records, so that a span and
//! its exception arrive in separate requests, in any order. They are looked up when a failure finding names traces.
//!
//! After a restart they are read again from the hot tables. What a firing finding reported is stored with its state,
//! because the hot tables may not go back far enough.

use super::functions;
use super::keyed::text;
use crate::model::finding::{Finding, FindingState};
use crate::state::State;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Maximum number of traces with remembered exceptions; the oldest are evicted. About 500 bytes each.
const TRACES_MAX: usize = 20_000;
/// Maximum number of exceptions per trace.
const OF_TRACE_MAX: usize = 3;
/// Name of the column in a finding's evidence.
pub(super) const LOGGED: &str = "logged_exceptions";
/// Kind of the state entries that contain the exceptions reported by firing findings, by finding id.
const KIND: &str = "logged";

/// Recently logged exceptions.
#[derive(Debug, Default)]
pub(super) struct LoggedExceptions {
    by_trace: HashMap<String, Vec<Logged>>,
    /// Trace ids, oldest first.
    order: VecDeque<String>,
    /// Last reported text of each firing finding, by its id.
    said: HashMap<String, String>,
    /// Changes of `said` that are not stored yet; `None` if a finding no longer fires.
    unsaved: BTreeMap<String, Option<String>>,
}

#[derive(Debug, PartialEq)]
struct Logged {
    service: String,
    text: String,
}

impl LoggedExceptions {
    /// Restores the reported texts. The exceptions themselves are read later from the hot tables:
    /// [`LoggedExceptions::take_earlier`].
    pub(super) async fn restore(state: &State) -> anyhow::Result<LoggedExceptions> {
        let mut logged = LoggedExceptions::default();
        let kept = state.entries(KIND).await?;
        logged.said = kept.into_iter().filter_map(|(id, text)| Some((id, String::from_utf8(text).ok()?))).collect();
        Ok(logged)
    }

    /// Collects the exceptions in rows of `logs`, oldest first.
    pub(super) fn of_rows(rows: impl Iterator<Item = datafusion::common::Result<RecordBatch>>) -> LoggedExceptions {
        let mut logged = LoggedExceptions::default();
        for batch in rows {
            match batch {
                Ok(batch) => logged.take(&batch),
                Err(error) => tracing::warn!(%error, "log records from before the start cannot be read"),
            }
        }
        logged
    }

    /// Inserts exceptions from before the start ahead of those received since.
    pub(super) fn take_earlier(&mut self, mut earlier: LoggedExceptions) {
        for trace_id in std::mem::take(&mut self.order) {
            for logged in self.by_trace.remove(&trace_id).into_iter().flatten() {
                earlier.add(&trace_id, logged);
            }
        }
        (self.by_trace, self.order) = (earlier.by_trace, earlier.order);
    }

    /// Takes the unsaved changes.
    pub(super) fn take_unsaved(&mut self) -> BTreeMap<String, Option<String>> {
        std::mem::take(&mut self.unsaved)
    }

    /// Puts back changes that could not be saved; newer changes win.
    pub(super) fn not_saved(&mut self, changes: BTreeMap<String, Option<String>>) {
        for (id, text) in changes {
            self.unsaved.entry(id).or_insert(text);
        }
    }

    /// Adds the exceptions in new rows of `logs`.
    pub(super) fn take(&mut self, batch: &RecordBatch) {
        let (trace_id, service) = (text(batch, "trace_id"), text(batch, "service_name"));
        let Some(maps) = batch.column_by_name("attributes").and_then(|column| column.as_map_opt()) else { return };
        let (Some(keys), Some(values)) = (maps.keys().as_string_opt::<i32>(), maps.values().as_string_opt::<i32>())
        else {
            return;
        };
        for row in 0..batch.num_rows() {
            let Some(trace_id) = trace_id(row).filter(|_| maps.is_valid(row)) else { continue };
            let (mut kind, mut message) = (None, None);
            let (start, end) = (maps.value_offsets()[row], maps.value_offsets()[row + 1]);
            let entries = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
            for entry in entries.filter(|entry| values.is_valid(*entry)) {
                match keys.value(entry) {
                    "exception.type" => kind = functions::class(values.value(entry)),
                    "exception.message" => message = functions::message(values.value(entry)),
                    _ => {}
                }
            }
            let text = match (kind, message) {
                (Some(kind), Some(message)) => format!("{kind}: {message}"),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => continue,
            };
            self.add(trace_id, Logged { service: service(row).unwrap_or_default().to_owned(), text });
        }
    }

    fn add(&mut self, trace_id: &str, logged: Logged) {
        if let Some(known) = self.by_trace.get_mut(trace_id) {
            if known.len() < OF_TRACE_MAX && !known.contains(&logged) {
                known.push(logged);
            }
            return;
        }
        if self.order.len() >= TRACES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_trace.remove(&oldest);
        }
        self.order.push_back(trace_id.to_owned());
        self.by_trace.insert(trace_id.to_owned(), vec![logged]);
    }

    /// Adds the exceptions of a failing finding's traces to its evidence.
    pub(super) fn add_to(&mut self, findings: &mut [Finding]) {
        if self.by_trace.is_empty() && self.said.is_empty() {
            return;
        }
        let mut firing = HashSet::new();
        let told = |finding: &&mut Finding| {
            let fails =
                || finding.evidence.get("errors").and_then(|errors| errors.as_f64()).is_some_and(|errors| errors > 0.0);
            matches!(finding.state, FindingState::Firing | FindingState::Pending) && fails()
        };
        for finding in findings.iter_mut().filter(told) {
            let of_traces = self.of(finding);
            let Some(text) = of_traces.or_else(|| self.said.get(&finding.id).cloned()) else { continue };
            finding.evidence = finding.evidence.with(LOGGED, Value::from(text.as_str()));
            if finding.state == FindingState::Firing {
                firing.insert(finding.id.clone());
                if self.said.get(&finding.id) != Some(&text) {
                    self.unsaved.insert(finding.id.clone(), Some(text.clone()));
                    self.said.insert(finding.id.clone(), text);
                }
            }
        }
        let over: Vec<String> = self.said.keys().filter(|id| !firing.contains(*id)).cloned().collect();
        for id in over {
            self.said.remove(&id);
            self.unsaved.insert(id, None);
        }
    }

    /// Returns the exceptions that the finding's own service logged in its traces, or else those of other services.
    fn of(&self, finding: &Finding) -> Option<String> {
        let service = finding.key.iter().find(|(column, _)| column == "service_name").map(|(_, value)| value.as_str());
        // Skips exceptions that the spans report already. Logs name the type without its module, so compare the message.
        let said = finding.evidence.text("exceptions").unwrap_or_default();
        let is_said = |text: &str| said.contains(text.split_once(": ").map_or(text, |(_, message)| message));
        let all = || finding.trace_ids.iter().filter_map(|id| self.by_trace.get(id)).flatten();
        let mut chosen: Vec<&str> = Vec::new();
        for of_own in [true, false] {
            for logged in all().filter(|logged| (Some(logged.service.as_str()) == service) == of_own) {
                if chosen.len() < OF_TRACE_MAX && !is_said(&logged.text) && !chosen.contains(&logged.text.as_str()) {
                    chosen.push(&logged.text);
                }
            }
            if !chosen.is_empty() {
                break;
            }
        }
        Some(chosen.join("; ")).filter(|text| !text.is_empty())
    }
}

/// Stores the changes.
pub(super) async fn save(state: &State, changes: &BTreeMap<String, Option<String>>) -> anyhow::Result<()> {
    let changes: Vec<_> = changes.iter().map(|(id, text)| (id.as_str(), text.as_deref().map(str::as_bytes))).collect();
    Ok(state.change(KIND, &changes).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::schemas;
    use serde_json::json;

    fn logs(rows: &[Value]) -> RecordBatch {
        let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
        let schema = tables.iter().find(|table| table.name == "logs").expect("logs").schema();
        let rows: Vec<_> = rows.iter().map(|row| row.as_object().expect("a row").clone()).collect();
        crate::engine::tables::batch(&schema, &rows).expect("a batch")
    }

    fn record(trace: &str, service: &str, kind: &str, message: &str) -> Value {
        json!({"trace_id": trace, "service_name": service,
            "attributes": {"exception.type": kind, "exception.message": message, "other": "x"}})
    }

    fn finding(state: &str, errors: i64, traces: &[&str]) -> Finding {
        serde_json::from_value(json!({
            "id": "a", "pipeline": "error_rate", "severity": "warning", "state": state, "title": "t",
            "key": {"service_name": "shop"}, "value": 1.0, "limit": 1.0, "unit": "%", "samples": 1, "impact": "",
            "evidence": {"errors": errors}, "trace_ids": traces, "evidence_sql": "", "advice": "", "proof": "measured",
            "first_seen_ms": 0, "last_seen_ms": 0, "state_since_ms": 0, "firing_since_ms": null
        }))
        .expect("a finding")
    }

    fn shown(logged: &mut LoggedExceptions, finding: Finding) -> Option<Value> {
        let mut findings = [finding];
        logged.add_to(&mut findings);
        findings[0].evidence.get(LOGGED)
    }

    #[test]
    fn what_a_service_logged_in_the_traces_that_failed_is_found() {
        let mut logged = LoggedExceptions::default();
        logged.take(&logs(&[
            record("t1", "pay", "Refused", "by 10.0.0.1"),
            record("t1", "shop", "ValueError", "order 4711"),
            record("t2", "pay", "Timeout", ""),
            json!({"trace_id": "t3", "service_name": "shop", "attributes": {"other": "x"}}),
            json!({"service_name": "shop", "attributes": {"exception.type": "Nowhere"}}),
        ]));
        let firing = |traces: &[&str]| finding("firing", 5, traces);
        assert_eq!(shown(&mut logged, firing(&["t1", "t2"])), Some(json!("ValueError: order ?")));
        assert_eq!(
            shown(&mut logged, firing(&["t2"])),
            Some(json!("Timeout")),
            "of another service where none is its own"
        );
        let mut other = firing(&["t3", "t4"]);
        other.id = "b".to_owned();
        assert_eq!(shown(&mut logged, other), None);
        let mut said = firing(&["t1"]);
        said.evidence = said.evidence.with("exceptions", json!("5x shop.ValueError: order ?"));
        assert_eq!(shown(&mut logged, said), Some(json!("Refused: by ?")), "what the span says is not said again");
        assert_eq!(
            shown(&mut logged, firing(&["t9"])),
            Some(json!("Refused: by ?")),
            "while it fires, what it said last"
        );
        assert_eq!(shown(&mut logged, finding("ok", 5, &["t1"])), None);
        assert_eq!(logged.take_unsaved(), [("a".to_owned(), None)].into(), "it fires no more");
        assert_eq!(shown(&mut logged, finding("firing", 0, &["t1"])), None, "a slow request does not fail");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut logged = LoggedExceptions::default();
        for n in 0..TRACES_MAX + 5 {
            logged.add(&format!("t{n}"), Logged { service: "shop".to_owned(), text: "E".to_owned() });
        }
        assert_eq!((logged.by_trace.len(), logged.order.len()), (TRACES_MAX, TRACES_MAX));
        assert!(!logged.by_trace.contains_key("t4") && logged.by_trace.contains_key("t5"));
        let earlier = logs(&[record("t0", "shop", "Earlier", ""), record("t5", "shop", "Earlier", "")]);
        logged.take_earlier(LoggedExceptions::of_rows(std::iter::once(Ok(earlier))));
        assert_eq!((logged.by_trace.len(), logged.order.len()), (TRACES_MAX, TRACES_MAX));
        assert!(!logged.by_trace.contains_key("t0"), "the oldest goes");
        let texts: Vec<&str> = logged.by_trace["t5"].iter().map(|logged| logged.text.as_str()).collect();
        assert_eq!(texts, ["Earlier", "E"]);
        for n in 0..9 {
            logged.add("t5", Logged { service: "shop".to_owned(), text: n.to_string() });
        }
        assert_eq!(logged.by_trace["t5"].len(), OF_TRACE_MAX);
    }
}
