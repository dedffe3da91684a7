//! Packs records into JSON arrays within the intake's limits.

use crate::delivery::{Mapped, Payload, Rejected};
use crate::model::signal::Signal;
use serde_json::Value as Json;

/// Path of the intake.
pub(in crate::exporters::datadog) const LOGS: &str = "/api/v2/logs";

/// The intake's limit is 5 MB.
const BYTES_MAX: usize = 5_000_000;
const RECORDS_MAX: u64 = 1000;

/// Collects records into payloads.
#[derive(Default)]
pub(super) struct Writer {
    body: Vec<u8>,
    records: u64,
    too_large: u64,
    done: Vec<Payload>,
}

impl Writer {
    pub(super) fn push(&mut self, record: &Json) {
        let text = record.to_string();
        // Includes the brackets around the array.
        if text.len() + 2 > BYTES_MAX {
            self.too_large += 1;
            return;
        }
        if self.records >= RECORDS_MAX || self.body.len() + text.len() + 2 > BYTES_MAX {
            self.close();
        }
        self.body.push(if self.records == 0 { b'[' } else { b',' });
        self.body.extend_from_slice(text.as_bytes());
        self.records += 1;
    }

    fn close(&mut self) {
        if self.records == 0 {
            return;
        }
        let mut body = std::mem::take(&mut self.body);
        body.push(b']');
        let items = std::mem::take(&mut self.records);
        self.done.push(Payload { signal: Signal::Logs, route: LOGS, items, body: body.into() });
    }

    pub(super) fn finish(mut self) -> Mapped {
        self.close();
        let reason = format!("it is larger than the intake's limit of {BYTES_MAX} bytes");
        let rejected = (self.too_large > 0).then_some(Rejected { items: self.too_large, reason });
        Mapped { payloads: self.done, rejected: rejected.into_iter().collect() }
    }
}

/// Splits a payload in two; `None` if it has one record.
pub(super) fn split(payload: &Payload) -> Option<(Payload, Payload)> {
    let mut records: Vec<Json> = serde_json::from_slice(&payload.body).ok()?;
    if records.len() < 2 {
        return None;
    }
    let rest = records.split_off(records.len() / 2);
    let part = |records: Vec<Json>| Payload {
        items: records.len() as u64,
        body: Json::Array(records).to_string().into(),
        ..payload.clone()
    };
    Some((part(records), part(rest)))
}
