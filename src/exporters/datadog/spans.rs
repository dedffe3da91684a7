//! Maps a traces request to payloads: the traces, and the statistics of their spans.

use super::stats::{self, ENTRIES_MAX, StatsBody, StatsPayload};
use super::traces::{self, AgentPayload, Left, TRACES_MAX, TraceBody, TraceSettings, TracerPayload};
use crate::delivery::{Mapped, Payload, Rejected};
use crate::model::signal::Signal;
use crate::model::unix_time;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use std::time::SystemTime;

/// Path of the traces intake.
pub(super) const TRACES: &str = "/api/v0.2/traces";
/// Path of the statistics intake.
pub(super) const STATS: &str = "/api/v0.2/stats";

/// Packs traces into bodies, with the number of spans that are too large for any.
type TraceBodies = fn(Vec<TracerPayload>, &TraceSettings, usize) -> (Vec<TraceBody>, u64);

/// Differences between the targets that accept traces.
pub(super) struct Taker {
    /// Path of traces.
    pub(super) traces: &'static str,
    /// Path of statistics.
    pub(super) stats: &'static str,
    pub(super) trace_bodies: TraceBodies,
    /// Packs statistics into bodies.
    pub(super) stats_bodies: fn(&StatsPayload, usize) -> Vec<StatsBody>,
}

/// Datadog's intake.
pub(super) const INTAKE: Taker =
    Taker { traces: TRACES, stats: STATS, trace_bodies: traces::bodies, stats_bodies: stats::bodies };

/// Maps a request. A span counts as an item of the payload that contains its trace; intentionally dropped spans count in the
/// first payload, because statistics include them.
///
/// # Errors
/// When it cannot be read.
pub(super) fn map(taker: &Taker, settings: &TraceSettings, request: &Bytes) -> anyhow::Result<Mapped> {
    let request = ExportTraceServiceRequest::decode(request.clone())?;
    let now = unix_time::nanos(SystemTime::now()).cast_signed();
    let converted = traces::convert(&request.resource_spans, settings, now);
    let (bodies, too_large) = (taker.trace_bodies)(converted.traces, settings, TRACES_MAX);
    let Left { invalid, ignored, unsampled } = converted.left;
    let payload = |route, items, body| Payload { signal: Signal::Traces, route, items, body };
    let mut payloads: Vec<Payload> =
        bodies.into_iter().map(|traces| payload(taker.traces, traces.spans, traces.body)).collect();
    let statistics = (taker.stats_bodies)(&converted.stats, ENTRIES_MAX);
    payloads.extend(statistics.into_iter().map(|stats| payload(taker.stats, 0, stats.body)));
    if let Some(first) = payloads.first_mut() {
        first.items += ignored + unsampled;
    }
    let reasons = [
        (invalid, "its trace has no id, or spans without one".to_owned()),
        (too_large, format!("it is larger than a request's limit of {TRACES_MAX} bytes")),
    ];
    let rejected =
        reasons.into_iter().filter(|(items, _)| *items > 0).map(|(items, reason)| Rejected { items, reason });
    Ok(Mapped { payloads, rejected: rejected.collect() })
}

/// Splits traces in two; `None` if they cannot be split.
pub(super) fn split(payload: &Payload) -> Option<(Payload, Payload)> {
    let mut all = AgentPayload::decode(payload.body.clone()).ok()?;
    let (first, rest) = traces::halves(std::mem::take(&mut all.tracer_payloads))?;
    let spans = traces::count(&first);
    let body = |traces| AgentPayload { tracer_payloads: traces, ..all.clone() }.encode_to_vec().into();
    Some(parts(payload, spans, body(first), traces::count(&rest), body(rest)))
}

/// Builds two payloads with these numbers of spans; the first also counts what is not sent.
pub(super) fn parts(payload: &Payload, first: u64, body: Bytes, rest: u64, other: Bytes) -> (Payload, Payload) {
    let part = |items, body| Payload { items, body, ..payload.clone() };
    (part(payload.items.saturating_sub(rest).max(first), body), part(rest, other))
}
