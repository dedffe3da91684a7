//! Packs traces into request bodies within the intake's limit.

use super::settings::TraceSettings;
use super::wire::{AgentPayload, TraceChunk, TracerPayload};
use bytes::Bytes;
use prost::Message as _;

/// Maximum bytes of a body, uncompressed.
pub const TRACES_MAX: usize = 3_200_000;
/// Bytes of a field's tag and length.
const FRAME: usize = 12;

/// The body of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceBody {
    /// Number of spans.
    pub spans: u64,
    /// The payload.
    pub body: Bytes,
}

/// Packs traces into bodies of at most `max` bytes, split between traces, or between spans within a larger one. Also returns
/// the number of spans that are too large by themselves.
#[must_use]
pub fn bodies(traces: Vec<TracerPayload>, settings: &TraceSettings, max: usize) -> (Vec<TraceBody>, u64) {
    split(traces, settings, max, false)
}

/// The same for a local Agent, which accepts one resource per request: each body is one [`TracerPayload`], from which
/// [`super::AgentTraces`] builds the request. That is up to four times larger; the Agent's limit is 25 MB.
#[must_use]
pub fn agent_bodies(traces: Vec<TracerPayload>, settings: &TraceSettings, max: usize) -> (Vec<TraceBody>, u64) {
    split(traces, settings, max, true)
}

fn split(traces: Vec<TracerPayload>, settings: &TraceSettings, max: usize, local: bool) -> (Vec<TraceBody>, u64) {
    let (done, open) = (Vec::new(), Vec::new());
    let mut bodies = Bodies { settings, max, local, done, open, size: 0, goes_on: false, too_large: 0 };
    bodies.close();
    for mut payload in traces {
        let chunks = std::mem::take(&mut payload.chunks);
        bodies.goes_on = false;
        if local {
            bodies.close();
        }
        for chunk in chunks {
            bodies.add(&payload, chunk);
        }
    }
    bodies.close();
    (bodies.done, bodies.too_large)
}

/// Number of spans in traces.
#[must_use]
pub fn count(traces: &[TracerPayload]) -> u64 {
    traces.iter().flat_map(|payload| &payload.chunks).map(|chunk| chunk.spans.len() as u64).sum()
}

/// Splits traces in two, between traces or between the spans of a single one; `None` for a single span.
#[must_use]
pub fn halves(traces: Vec<TracerPayload>) -> Option<(Vec<TracerPayload>, Vec<TracerPayload>)> {
    let chunks: usize = traces.iter().map(|payload| payload.chunks.len()).sum();
    let mut room = chunks / 2;
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for mut payload in traces {
        let mut before = std::mem::take(&mut payload.chunks);
        let mut after = before.split_off(room.min(before.len()));
        room -= before.len();
        if chunks == 1
            && let Some(only) = after.first_mut()
        {
            let mut half = only.clone();
            half.spans = only.spans.split_off(only.spans.len() / 2);
            before.push(std::mem::replace(only, half));
        }
        for (into, chunks) in [(&mut first, before), (&mut rest, after)] {
            if chunks.iter().any(|chunk| !chunk.spans.is_empty()) {
                into.push(TracerPayload { chunks, ..payload.clone() });
            }
        }
    }
    (!first.is_empty() && !rest.is_empty()).then_some((first, rest))
}

struct Bodies<'a> {
    settings: &'a TraceSettings,
    max: usize,
    /// Whether the bodies are for a local Agent, each with one resource.
    local: bool,
    done: Vec<TraceBody>,
    open: Vec<TracerPayload>,
    /// Upper estimate of the bytes in the open body.
    size: usize,
    /// Whether the last open payload belongs to the current resource.
    goes_on: bool,
    too_large: u64,
}

impl Bodies<'_> {
    /// Adds a trace to the open body, or to a new one. `of` is its payload without traces.
    fn add(&mut self, of: &TracerPayload, mut chunk: TraceChunk) {
        let around = self.head() + of.encoded_len() + FRAME;
        let size = chunk.encoded_len() + FRAME;
        if around + size > self.max {
            let half = chunk.spans.len() / 2;
            if half == 0 {
                self.too_large += chunk.spans.len() as u64;
                return;
            }
            let spans = chunk.spans.split_off(half);
            let rest = TraceChunk {
                priority: chunk.priority,
                origin: chunk.origin.clone(),
                spans,
                tags: chunk.tags.clone(),
                dropped_trace: chunk.dropped_trace,
            };
            self.add(of, chunk);
            return self.add(of, rest);
        }
        if self.size + of.encoded_len() + FRAME + size > self.max {
            self.close();
        }
        if let Some(last) = self.open.last_mut().filter(|_| self.goes_on) {
            last.chunks.push(chunk);
        } else {
            self.size += of.encoded_len() + FRAME;
            self.open.push(TracerPayload { chunks: vec![chunk], ..of.clone() });
            self.goes_on = true;
        }
        self.size += size;
    }

    fn head(&self) -> usize {
        let settings = self.settings;
        settings.hostname.len() + settings.env.len() + settings.agent_version.len() + 3 * FRAME
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.size = self.head();
        self.goes_on = false;
        if open.is_empty() {
            return;
        }
        let spans = count(&open);
        if self.local {
            self.done.extend(open.iter().map(|payload| TraceBody { spans, body: payload.encode_to_vec().into() }));
            return;
        }
        let payload = AgentPayload {
            host_name: self.settings.hostname.clone(),
            env: self.settings.env.clone(),
            tracer_payloads: open,
            agent_version: self.settings.agent_version.clone(),
        };
        self.done.push(TraceBody { spans, body: payload.encode_to_vec().into() });
    }
}
