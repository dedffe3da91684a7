//! Traces for Datadog's intake, mapped like Datadog's own Agent 7.x (modules 0.85.2) maps received OTLP, with its defaults:
//! operations and resources have their newer names (V2), spans their newer types, containers their newer tags
//! (`disable_otlp_container_tags_v2` is off), and a library's name is also in `otel.scope.*`.
//!
//! The Agent's own samplers are not implemented. Sampling is done by the pipeline; a trace is dropped here only if its own
//! program decided so. Statistics cover all spans, before any are dropped.

mod agent;
mod containers;
mod http;
mod json;
mod names;
mod normalize;
mod obfuscate;
mod process;
mod read;
mod semantics;
mod settings;
mod source;
mod span;
mod split;
#[cfg(test)]
mod tests;
mod wire;

pub use agent::AgentTraces;
pub use process::Left;
pub use settings::TraceSettings;
pub use source::host;
pub use split::{TRACES_MAX, TraceBody, agent_bodies, bodies, count, halves};
pub use wire::{AgentPayload, Span, TraceChunk, TracerPayload};

pub(in crate::exporters::datadog) use obfuscate::hide;
pub(in crate::exporters::datadog) use read::{grpc_status, http_status, tag_of};
pub(in crate::exporters::datadog) use span::{SAMPLE_RATE, TRACE_STATE};

use super::stats::{Concentrator, StatsPayload};
use crate::delivery::attributes::as_string;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use semantics::Source as _;
use std::collections::{BTreeMap, HashMap};

/// A converted request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Converted {
    /// Traces, one payload per resource.
    pub traces: Vec<TracerPayload>,
    /// Statistics of all of its spans.
    pub stats: StatsPayload,
    /// Spans that are not sent.
    pub left: Left,
}

/// Converts spans. `now` (ns since 1970) is used only for spans that began before the year 2000, which are assumed to end now,
/// and for statistics in the future, which are counted as now.
#[must_use]
pub fn convert(request: &[ResourceSpans], settings: &TraceSettings, now: i64) -> Converted {
    let mut left = Left::default();
    let mut concentrator = Concentrator::new(settings, now);
    let mut traces = Vec::with_capacity(request.len());
    for spans in request {
        let mut received = receive(spans, settings, now);
        let stats = (!received.counted).then_some(&mut concentrator);
        process::process(&mut received.payload, stats, settings, &mut left);
        if !received.payload.chunks.is_empty() {
            traces.push(received.payload);
        }
    }
    Converted { traces, stats: concentrator.finish(), left }
}

/// Spans of one resource, and whether their statistics were computed elsewhere.
struct Received {
    payload: TracerPayload,
    counted: bool,
}

fn receive(spans: &ResourceSpans, settings: &TraceSettings, now: i64) -> Received {
    let attributes = spans.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    let all = semantics::Attributes { span: attributes, resource: &[] };
    let (tags, resource) = containers::take_tags(attributes);
    let text = |key| semantics::first(&resource, key).flatten().map(as_string).unwrap_or_default();
    let tags = tags.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(",");
    let payload = TracerPayload {
        container_id: normalize::tag_value(&all.string(semantics::CONTAINER_ID)),
        language_name: normalize::tag_value(&text("telemetry.sdk.language")),
        tracer_version: format!("otlp-{}", normalize::tag_value(&text("telemetry.sdk.version"))),
        chunks: chunks(spans, &resource, settings, now),
        tags: (!tags.is_empty()).then(|| ("_dd.tags.container".to_owned(), tags)).into_iter().collect(),
        env: normalize::tag_value(&all.string(semantics::ENVIRONMENT)),
        hostname: host(attributes).unwrap_or_else(|| settings.hostname.clone()),
        app_version: String::new(),
    };
    Received { payload, counted: !matches!(normalize::tag_value(&text("_dd.stats_computed")).as_str(), "" | "false") }
}

/// Groups spans by trace, in order of first appearance.
fn chunks(spans: &ResourceSpans, resource: &[KeyValue], settings: &TraceSettings, now: i64) -> Vec<TraceChunk> {
    let mut chunks: Vec<TraceChunk> = Vec::new();
    let mut by_trace: HashMap<u64, usize> = HashMap::new();
    let mut priorities: HashMap<u64, f64> = HashMap::new();
    for scoped in &spans.scope_spans {
        let around = span::Around { resource, scope: scoped.scope.as_ref(), settings, now };
        for received in &scoped.spans {
            let span = span::map(received, &around);
            if let Some(priority) = span.number(semantics::PRIORITY) {
                priorities.insert(span.trace_id, priority);
            }
            let index = *by_trace.entry(span.trace_id).or_insert(chunks.len());
            if index == chunks.len() {
                chunks.push(TraceChunk::default());
            }
            chunks[index].spans.push(span);
        }
    }
    for chunk in &mut chunks {
        let given = priorities.get(&chunk.spans[0].trace_id);
        #[allow(clippy::cast_possible_truncation, reason = "as wide as the Agent's own: a number beyond it wraps")]
        let priority = given.map_or(1, |priority| *priority as i64 as i8);
        chunk.priority = i32::from(priority);
        chunk.tags = BTreeMap::from([("_dd.otlp_sr".to_owned(), "1.00".to_owned())]);
        if matches!(priority, 1 | 2) {
            let maker = if given.is_some() { "-4" } else { "-9" };
            chunk.spans[0].meta.insert("_dd.p.dm".to_owned(), maker.to_owned());
        }
    }
    chunks
}
