//! A request of traces as payloads: the traces, and the statistics of their spans.

use super::now_unix_nano;
use super::stats::{self, ENTRIES_MAX};
use super::traces::{self, AgentPayload, Left, TRACES_MAX, TraceSettings};
use crate::model::signal::Signal;
use crate::sinks::delivery::{Mapped, Payload, Unfit};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// Path of the intake of traces.
pub(super) const TRACES: &str = "/api/v0.2/traces";
/// Path of the intake of their statistics.
pub(super) const STATS: &str = "/api/v0.2/stats";

/// Maps a request. A span is counted with the traces that it is sent in; one that is left out on purpose, with whatever is
/// sent, for the statistics know it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn map(settings: &TraceSettings, request: &Bytes) -> anyhow::Result<Mapped> {
    let request = ExportTraceServiceRequest::decode(request.clone())?;
    let now = i64::try_from(now_unix_nano()).unwrap_or(i64::MAX);
    let converted = traces::convert(&request.resource_spans, settings, now);
    let (bodies, too_large) = traces::bodies(converted.traces, settings, TRACES_MAX);
    let Left { invalid, ignored, unsampled } = converted.left;
    let payload = |route, items, body| Payload { signal: Signal::Traces, route, items, body };
    let mut payloads: Vec<Payload> =
        bodies.into_iter().map(|traces| payload(TRACES, traces.spans, traces.body)).collect();
    let statistics = stats::bodies(&converted.stats, ENTRIES_MAX);
    payloads.extend(statistics.into_iter().map(|stats| payload(STATS, 0, stats.body)));
    if let Some(first) = payloads.first_mut() {
        first.items += ignored + unsampled;
    }
    let reasons = [
        (invalid, "its trace has no id, or spans without one".to_owned()),
        (too_large, format!("it is larger than the {TRACES_MAX} bytes that the intake takes")),
    ];
    let unfit = reasons.into_iter().filter(|(items, _)| *items > 0).map(|(items, reason)| Unfit { items, reason });
    Ok(Mapped { payloads, unfit: unfit.collect() })
}

/// Traces in two; `None` where they cannot be cut.
pub(super) fn split(settings: &TraceSettings, payload: &Payload) -> Option<(Payload, Payload)> {
    let all = AgentPayload::decode(payload.body.clone()).ok()?;
    let (bodies, _too_large) = traces::bodies(all.tracer_payloads, settings, payload.body.len() / 2);
    let (first, rest) = bodies.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let spans: u64 = bodies.iter().map(|body| body.spans).sum();
    // Messages one behind the other are one message with the lists of both.
    let body: Vec<u8> = rest.iter().flat_map(|body| body.body.iter().copied()).collect();
    let others = payload.items.saturating_sub(spans);
    let part = |items, body| Payload { items, body, ..payload.clone() };
    Some((part(first.spans + others, first.body.clone()), part(spans - first.spans, body.into())))
}
