//! Aggregates spans into windows and groups.

use super::{Bucket, ClientStats, Group, GroupKey, PayloadKey, StatsPayload, grpc};
use crate::exporters::datadog::traces::{
    SAMPLE_RATE, Span, TRACE_STATE, TraceChunk, TraceSettings, TracerPayload, grpc_status, hide, http_status, tag_of,
};
use crate::model::tracestate;
use std::collections::BTreeMap;

/// Length of a window, in ns.
const WINDOW: i64 = 10_000_000_000;
const BASE_SERVICE: &str = "_dd.base_service";

/// Attributes that identify the peer.
const PEER_TAGS: [&str; 44] = [
    BASE_SERVICE,
    "active_record.db.vendor",
    "amqp.destination",
    "amqp.exchange",
    "amqp.queue",
    "aws.queue.name",
    "aws.s3.bucket",
    "bucketname",
    "cassandra.keyspace",
    "db.cassandra.contact.points",
    "db.couchbase.seed.nodes",
    "db.hostname",
    "db.instance",
    "db.name",
    "db.namespace",
    "db.system",
    "db.system.name",
    "db.type",
    "dns.hostname",
    "grpc.host",
    "hostname",
    "http.host",
    "http.server_name",
    "messaging.destination",
    "messaging.destination.name",
    "messaging.kafka.bootstrap.servers",
    "messaging.rabbitmq.exchange",
    "messaging.system",
    "mongodb.db",
    "msmq.queue.path",
    "net.peer.name",
    "network.destination.ip",
    "network.destination.name",
    "out.host",
    "peer.hostname",
    "peer.service",
    "queuename",
    "rpc.service",
    "rpc.system",
    "sequel.db.vendor",
    "server.address",
    "streamname",
    "tablename",
    "topicname",
];

type Windows = BTreeMap<i64, BTreeMap<GroupKey, Group>>;

/// Aggregates spans.
pub(in crate::exporters::datadog) struct Concentrator<'a> {
    settings: &'a TraceSettings,
    now: i64,
    found: BTreeMap<PayloadKey, Windows>,
}

impl<'a> Concentrator<'a> {
    /// Creates an empty concentrator. `now` is ns since 1970.
    pub(in crate::exporters::datadog) const fn new(settings: &'a TraceSettings, now: i64) -> Concentrator<'a> {
        Concentrator { settings, now, found: BTreeMap::new() }
    }

    /// Adds the spans of a trace.
    pub(in crate::exporters::datadog) fn add(&mut self, payload: &TracerPayload, chunk: &TraceChunk, root: usize) {
        let or = |text: &String, other: &String| if text.is_empty() { other.clone() } else { text.clone() };
        let key = PayloadKey {
            hostname: or(&payload.hostname, &self.settings.hostname),
            env: or(&payload.env, &self.settings.env),
            version: payload.app_version.clone(),
            lang: payload.language_name.clone(),
            service: chunk.spans[root].meta.get(BASE_SERVICE).cloned().unwrap_or_default(),
            container_id: payload.container_id.clone(),
            git_commit_sha: tag_of(chunk, root, "_dd.git.commit.sha").to_owned(),
        };
        let told = told_rate(&chunk.spans[root]);
        let counted: Vec<&Span> = chunk.spans.iter().filter(|span| self.counts(span)).collect();
        if counted.is_empty() {
            return;
        }
        let windows = self.found.entry(key).or_default();
        for span in counted {
            let end = span.start.saturating_add(span.duration);
            // An end in the future means a wrong clock.
            let end = if end - end % WINDOW > self.now { self.now } else { end };
            let groups = windows.entry(end - end % WINDOW).or_default();
            let key = group_key(span, &chunk.origin, self.settings);
            groups.entry(key).or_default().add(span, weight(told.or_else(|| sampled_rate(span))));
        }
    }

    /// Returns true if a span counts: spans inside a service do not, unless marked.
    fn counts(&self, span: &Span) -> bool {
        let is = |key: &str| span.metrics.get(key) == Some(&1.0);
        let kind = span.meta.get("span.kind").map(|kind| kind.to_lowercase());
        let by_kind = self.settings.compute_stats_by_span_kind
            && matches!(kind.as_deref(), Some("server" | "consumer" | "client" | "producer"));
        let snapshot = span.metrics.get("_dd.partial_version").is_some_and(|version| *version >= 0.0);
        (top_level(span) || is("_dd.measured") || by_kind) && !snapshot
    }

    /// Returns all statistics.
    pub(in crate::exporters::datadog) fn finish(self) -> StatsPayload {
        let buckets = |windows: Windows| {
            let bucket = |(start, groups): (i64, BTreeMap<_, _>)| Bucket {
                start,
                duration: WINDOW,
                groups: groups.into_iter().collect(),
            };
            windows.into_iter().map(bucket).collect()
        };
        StatsPayload {
            agent_hostname: self.settings.hostname.clone(),
            agent_env: self.settings.env.clone(),
            agent_version: self.settings.agent_version.clone(),
            stats: self
                .found
                .into_iter()
                .map(|(key, windows)| ClientStats { key, buckets: buckets(windows) })
                .collect(),
        }
    }
}

impl Group {
    #[allow(clippy::cast_precision_loss, reason = "as the Agent counts durations")]
    fn add(&mut self, span: &Span, weight: f64) {
        self.hits += weight;
        if top_level(span) {
            self.top_level_hits += weight;
        }
        self.duration += span.duration as f64 * weight;
        if span.error == 0 {
            self.ok.add(coarse(span.duration));
        } else {
            self.errors += weight;
            self.failed.add(coarse(span.duration));
        }
    }
}

fn top_level(span: &Span) -> bool {
    ["_top_level", "_dd.top_level"].iter().any(|key| span.metrics.get(*key) == Some(&1.0))
}

/// Returns the number of spans represented by one that was sampled at this rate.
fn weight(rate: Option<f64>) -> f64 {
    rate.filter(|rate| *rate > 0.0 && *rate <= 1.0).map_or(1.0, f64::recip)
}

/// Returns the rate that a tracer set on the root for its whole trace, as an attribute.
fn told_rate(root: &Span) -> Option<f64> {
    let rate = root.metrics.get(SAMPLE_RATE).copied()?;
    (sampled_rate(root) != Some(rate)).then_some(rate)
}

/// Returns the sampling rate from a span's own trace state. The Agent uses only that of the root, where a trace has one rate;
/// in OpenTelemetry each span has its own.
fn sampled_rate(span: &Span) -> Option<f64> {
    span.meta.get(TRACE_STATE).and_then(|state| tracestate::probability(state))
}

/// Rounds a duration to ten binary digits.
#[allow(clippy::cast_precision_loss, reason = "as the Agent counts durations")]
fn coarse(duration: i64) -> f64 {
    f64::from_bits((duration as f64).to_bits() & 0xffff_f800_0000_0000)
}

fn group_key(span: &Span, origin: &str, settings: &TraceSettings) -> GroupKey {
    GroupKey {
        service: span.service.clone(),
        name: span.name.clone(),
        resource: span.resource.clone(),
        r#type: span.r#type.clone(),
        span_kind: span.meta.get("span.kind").cloned().unwrap_or_default(),
        http_status_code: http_status(span).and_then(|code| u32::try_from(code).ok()).unwrap_or(0),
        grpc_status_code: grpc::code(&grpc_status(span)),
        synthetics: origin.starts_with("synthetics"),
        is_trace_root: span.parent_id == 0,
        peer_tags: peer_tags(span, settings),
        service_source: span.meta.get("_dd.svc_src").cloned().unwrap_or_default(),
    }
}

/// Returns the peer of a span: for clients, producers and consumers, or for internal spans with a base service.
fn peer_tags(span: &Span, settings: &TraceSettings) -> Vec<String> {
    if !settings.peer_tags_aggregation {
        return Vec::new();
    }
    let text = |key: &str| span.meta.get(key).filter(|value| !value.is_empty());
    let tag = |key: &str| text(key).map(|value| format!("{key}:{}", hide(value)));
    let mut tags: Vec<String> = match text("span.kind").map_or(String::new(), |kind| kind.to_lowercase()).as_str() {
        "" | "internal" if text(BASE_SERVICE).is_some() => tag(BASE_SERVICE).into_iter().collect(),
        "client" | "producer" | "consumer" => {
            let own = settings.peer_tags.iter().map(String::as_str);
            PEER_TAGS.into_iter().chain(own).filter_map(tag).collect()
        }
        _ => Vec::new(),
    };
    tags.sort_unstable();
    tags.dedup();
    tags
}
