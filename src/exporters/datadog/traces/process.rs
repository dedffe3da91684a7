//! The Agent's span processing before sending (`pkg/trace/agent`): validates and truncates spans, obfuscates private data,
//! marks top-level spans, and drops what is not to be kept. Statistics are computed before anything is dropped.

use super::normalize::{self, RESOURCE_MAX, cut};
use super::obfuscate::obfuscate;
use super::read::tag_of;
use super::semantics::Source as _;
use super::settings::TraceSettings;
use super::span::{EVENT_RATE, SAMPLE_RATE, TOP_LEVEL};
use super::wire::{Span, TraceChunk, TracerPayload};
use crate::exporters::datadog::stats::Concentrator;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Maximum bytes of a tag's key and of its value.
const KEY_MAX: usize = 200;
const VALUE_MAX: usize = 25_000;
/// Explicit decision of the user on a trace: drop, keep.
const USER_DROP: i32 = -1;
const AUTO_DROP: i32 = 0;
const USER_KEEP: i32 = 2;
const PRIORITY_RATES: [&str; 3] = ["_dd.agent_psr", "_dd.rule_psr", "_sampling_priority_rate_v1"];

/// Spans that are not sent, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// In traces without an id, or with ids of zero.
    pub invalid: u64,
    /// In traces with a resource that the user ignores.
    pub ignored: u64,
    /// In traces that the user's program decided not to keep. Statistics include them.
    pub unsampled: u64,
}

/// Processes the chunks of a payload, keeps those to be sent, and counts all of them in the statistics.
pub(super) fn process(
    payload: &mut TracerPayload,
    stats: Option<&mut Concentrator<'_>>,
    settings: &TraceSettings,
    left: &mut Left,
) {
    let mut stats = stats;
    for mut chunk in std::mem::take(&mut payload.chunks) {
        let spans = chunk.spans.len() as u64;
        if !check(&mut chunk.spans, &payload.language_name) {
            left.invalid += spans;
            continue;
        }
        let root = root(&chunk.spans);
        from_spans(&mut chunk, root);
        if settings.ignore_resources.iter().any(|ignored| ignored.is_match(&chunk.spans[root].resource)) {
            left.ignored += spans;
            continue;
        }
        for span in &mut chunk.spans {
            obfuscate(span);
            truncate(span);
        }
        mark(&mut chunk.spans, root, settings);
        attribute(payload, &chunk, root);
        if let Some(stats) = stats.as_deref_mut() {
            stats.add(payload, &chunk, root);
        }
        sample(&mut chunk, root);
        left.unsampled += spans - chunk.spans.len() as u64;
        if !chunk.spans.is_empty() {
            payload.chunks.push(chunk);
        }
    }
}

/// Normalizes spans; returns false if they cannot be spans of one trace.
fn check(spans: &mut [Span], language: &str) -> bool {
    let first = spans[0].meta.get("_dd.p.tid").cloned();
    for span in spans {
        let half = span.meta.get("_dd.p.tid");
        let foreign = half.is_some_and(|half| first.as_ref().is_some_and(|first| first != half));
        if foreign || span.trace_id == 0 || span.span_id == 0 {
            return false;
        }
        span.service = normalize::service(&span.service, language);
        for key in ["peer.service", "_dd.base_service"] {
            if let Some(value) = span.meta.get_mut(key).filter(|value| !value.is_empty()) {
                *value = normalize::peer_service(value);
            }
        }
        if span.resource.is_empty() {
            span.resource.clone_from(&span.name);
        }
        if span.parent_id == span.trace_id && span.parent_id == span.span_id {
            span.parent_id = 0;
        }
        span.r#type = normalize::span_type(&span.r#type).to_owned();
        if let Some(env) = span.meta.get_mut("env").filter(|env| !env.is_empty()) {
            *env = normalize::tag_value(env);
        }
        if span.meta.get("http.status_code").is_some_and(|code| !is_status(code)) {
            span.meta.remove("http.status_code");
        }
    }
    true
}

fn is_status(code: &str) -> bool {
    code.bytes().all(|byte| byte.is_ascii_digit()) && code.parse().is_ok_and(|code: u64| (100..600).contains(&code))
}

/// Returns the root span: one without a parent, else one with a parent that is not here, else the last.
fn root(spans: &[Span]) -> usize {
    if let Some(root) = spans.iter().rposition(|span| span.parent_id == 0) {
        return root;
    }
    let known: HashSet<u64> = spans.iter().map(|span| span.span_id).collect();
    spans.iter().position(|span| !known.contains(&span.parent_id)).unwrap_or(spans.len() - 1)
}

/// Sets the fields of a chunk from its spans.
fn from_spans(chunk: &mut TraceChunk, root: usize) {
    chunk.spans[root].meta.text("_dd.origin").clone_into(&mut chunk.origin);
    if let Some(maker) = chunk.spans.iter().find_map(|span| span.meta.get("_dd.p.dm")) {
        chunk.tags.insert("_dd.p.dm".to_owned(), maker.clone());
    }
}

fn truncate(span: &mut Span) {
    span.resource = cut(&span.resource, RESOURCE_MAX).to_owned();
    let structured = |key: &str| {
        let formats = [".json", ".msgpack", ".protobuf"];
        key.starts_with("_dd.") && formats.iter().any(|format| key.ends_with(format))
    };
    if span.meta.iter().any(|(key, value)| !structured(key) && (key.len() > KEY_MAX || value.len() > VALUE_MAX)) {
        let shorten = |(key, value): (String, String)| {
            if structured(&key) { (key, value) } else { (shorter(key, KEY_MAX), shorter(value, VALUE_MAX)) }
        };
        span.meta = std::mem::take(&mut span.meta).into_iter().map(shorten).collect();
    }
    if span.metrics.keys().any(|key| key.len() > KEY_MAX) {
        let metrics = std::mem::take(&mut span.metrics);
        span.metrics = metrics.into_iter().map(|(key, value)| (shorter(key, KEY_MAX), value)).collect();
    }
}

fn shorter(text: String, limit: usize) -> String {
    if text.len() <= limit { text } else { format!("{}...", cut(&text, limit)) }
}

/// Marks top-level spans, and the sender's sampling rate.
fn mark(spans: &mut [Span], root: usize, settings: &TraceSettings) {
    match spans[root].metrics.get(SAMPLE_RATE).copied() {
        Some(rate) if rate < 1.0 => spans[root].metrics.insert("_dd1.sr.rcusr".to_owned(), rate),
        _ => spans[root].metrics.remove("_dd1.sr.rcusr"),
    };
    if settings.compute_top_level_by_span_kind {
        for span in spans.iter_mut().filter(|span| span.metrics.get("_dd.top_level") == Some(&1.0)) {
            span.metrics.insert(TOP_LEVEL.to_owned(), 1.0);
        }
        return;
    }
    let by_id: HashMap<u64, usize> = spans.iter().enumerate().map(|(index, span)| (span.span_id, index)).collect();
    for index in 0..spans.len() {
        let parent = by_id.get(&spans[index].parent_id).filter(|_| spans[index].parent_id != 0);
        if parent.is_none_or(|parent| spans[*parent].service != spans[index].service) {
            spans[index].metrics.insert(TOP_LEVEL.to_owned(), 1.0);
        }
    }
}

/// Sets the fields of a payload from its spans, unless they are already set.
fn attribute(payload: &mut TracerPayload, chunk: &TraceChunk, root: usize) {
    let root_tags: &BTreeMap<String, String> = &chunk.spans[root].meta;
    if payload.hostname.is_empty() {
        root_tags.text("_dd.hostname").clone_into(&mut payload.hostname);
    }
    if payload.env.is_empty() {
        tag_of(chunk, root, "env").clone_into(&mut payload.env);
    }
    if payload.app_version.is_empty() {
        tag_of(chunk, root, "version").clone_into(&mut payload.app_version);
    }
    let mode = root_tags.text("_dd.apm_mode");
    if mode.eq_ignore_ascii_case("edge") && payload.tags.text("_dd.apm_mode").is_empty() {
        payload.tags.insert("_dd.apm_mode".to_owned(), mode.to_owned());
    }
}

/// Keeps the spans that are to be sent. Traces are dropped only if their own program decided so: in those dropped automatically
/// (0), errors are kept, and single spans and events as marked. Further sampling is left to the pipeline's samplers.
fn sample(chunk: &mut TraceChunk, root: usize) {
    let mut keep = matches!(chunk.priority, 1 | USER_KEEP);
    let automatic = chunk.priority == AUTO_DROP || chunk.priority == 1;
    if keep && automatic && chunk.spans[root].parent_id == 0 {
        let metrics = &mut chunk.spans[root].metrics;
        if PRIORITY_RATES.iter().all(|key| !metrics.contains_key(*key)) {
            metrics.insert("_sampling_priority_rate_v1".to_owned(), 1.0);
        }
    } else if !keep && chunk.priority >= AUTO_DROP && chunk.spans.iter().any(|span| span.error != 0) {
        let rate = chunk.spans[root].metrics.get(SAMPLE_RATE).copied().unwrap_or(1.0);
        keep = by_rate(chunk.spans[root].trace_id, rate);
        if keep {
            chunk.spans[root].metrics.insert("_dd.errors_sr".to_owned(), 1.0);
        }
    }
    chunk.dropped_trace = !keep;
    let events = if chunk.priority > USER_DROP { events(chunk, root) } else { Vec::new() };
    if keep {
        return;
    }
    let single = |span: &Span| span.metrics.contains_key("_dd.span_sampling.mechanism");
    if chunk.spans.iter().any(single) {
        chunk.spans.retain(single);
        chunk.priority = USER_KEEP;
        chunk.dropped_trace = false;
    } else {
        let mut index = 0;
        chunk.spans.retain(|_| {
            index += 1;
            events.contains(&(index - 1))
        });
    }
}

/// Marks the spans kept as separate events, and returns their indexes.
fn events(chunk: &mut TraceChunk, root: usize) -> Vec<usize> {
    let rate_of = |metrics: &BTreeMap<String, f64>, key| metrics.get(key).copied().unwrap_or(1.0);
    let client = rate_of(&chunk.spans[root].metrics, "_dd1.sr.rcusr");
    let before = rate_of(&chunk.spans[root].metrics, "_dd1.sr.rapre");
    let mut found = Vec::new();
    for (index, span) in chunk.spans.iter_mut().enumerate() {
        let Some(rate) = span.metrics.get(EVENT_RATE).copied() else { continue };
        let rate = if rate > 0.0 && chunk.priority >= USER_KEEP { 1.0 } else { rate };
        if !by_rate(span.trace_id, rate) {
            continue;
        }
        // Events are not rate-limited here.
        for (key, rate) in
            [("_dd1.sr.eamax", 1.0), ("_dd1.sr.rcusr", client), ("_dd1.sr.rapre", before), (EVENT_RATE, rate)]
        {
            if rate < 1.0 {
                span.metrics.insert(key.to_owned(), rate);
            } else {
                span.metrics.remove(key);
            }
        }
        span.metrics.insert("_dd.analyzed".to_owned(), 1.0);
        found.push(index);
    }
    found
}

/// Returns true if a trace is within the sampling rate: all of Datadog's samplers make the same decision.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn by_rate(trace: u64, rate: f64) -> bool {
    rate >= 1.0 || trace.wrapping_mul(1_111_111_111_111_111_111) < (rate * u64::MAX as f64) as u64
}
