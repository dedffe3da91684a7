//! Encodes statistics as `MessagePack` for `/api/v0.2/stats`.

use super::{Bucket, ClientStats, Group, GroupKey, StatsPayload};
use crate::exporters::datadog::msgpack::Writer;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Maximum groups per body, as in the Agent: about 1.5 MB.
pub const ENTRIES_MAX: usize = 4000;

/// The body of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsBody {
    /// Number of groups.
    pub entries: usize,
    /// The payload, uncompressed.
    pub body: Bytes,
}

/// Packs statistics into bodies of at most `max` groups, for the intake. Returns none without statistics.
#[must_use]
pub fn bodies(payload: &StatsPayload, max: usize) -> Vec<StatsBody> {
    let parts = parts(payload, max);
    let split = parts.len() > 1;
    parts.iter().map(|part| body(payload, part, split)).collect()
}

/// Packs statistics into bodies of at most `max` groups, for `/v0.6/stats` of a local Agent, which accepts one
/// [`super::PayloadKey`] per request.
#[must_use]
pub fn agent_bodies(payload: &StatsPayload, max: usize) -> Vec<StatsBody> {
    let one = |stats: &ClientStats| {
        let mut out = Writer::default();
        client(stats, &mut out);
        StatsBody { entries: entries(std::slice::from_ref(stats)), body: out.done() }
    };
    parts(payload, max).iter().flatten().map(one).collect()
}

fn parts(payload: &StatsPayload, max: usize) -> Vec<Vec<ClientStats>> {
    let mut parts: Vec<Vec<ClientStats>> = Vec::new();
    let mut room = 0;
    for stats in &payload.stats {
        let mut open = false;
        for bucket in &stats.buckets {
            let mut later = &bucket.groups[..];
            while !later.is_empty() {
                if room == 0 {
                    parts.push(Vec::new());
                    (room, open) = (max.max(1), false);
                }
                let (now, rest) = later.split_at(later.len().min(room));
                let Some(part) = parts.last_mut() else { break };
                if !open {
                    part.push(ClientStats { key: stats.key.clone(), buckets: Vec::new() });
                    open = true;
                }
                let bucket = Bucket { start: bucket.start, duration: bucket.duration, groups: now.to_vec() };
                if let Some(stats) = part.last_mut() {
                    stats.buckets.push(bucket);
                }
                room -= now.len();
                later = rest;
            }
        }
    }
    parts
}

fn entries(part: &[ClientStats]) -> usize {
    part.iter().flat_map(|stats| &stats.buckets).map(|bucket| bucket.groups.len()).sum()
}

fn body(payload: &StatsPayload, part: &[ClientStats], split: bool) -> StatsBody {
    let mut out = Writer::default();
    out.map(6);
    out.text("AgentHostname", &payload.agent_hostname);
    out.text("AgentEnv", &payload.agent_env);
    out.list("Stats", part, client);
    out.text("AgentVersion", &payload.agent_version);
    out.truth("ClientComputed", false);
    out.truth("SplitPayload", split);
    StatsBody { entries: entries(part), body: out.done() }
}

fn client(stats: &ClientStats, out: &mut Writer) {
    let key = &stats.key;
    out.map(9);
    // Fields that a local Agent also needs in headers come before the statistics.
    out.text("Hostname", &key.hostname);
    out.text("Env", &key.env);
    out.text("Version", &key.version);
    out.text("Lang", &key.lang);
    out.text("Service", &key.service);
    out.text("ContainerID", &key.container_id);
    out.text("GitCommitSha", &key.git_commit_sha);
    out.list("Stats", &stats.buckets, bucket);
    out.list("Tags", &[] as &[String], |tag, out| out.value(tag));
}

fn bucket(bucket: &Bucket, out: &mut Writer) {
    out.map(3);
    out.number("Start", bucket.start.unsigned_abs());
    out.number("Duration", bucket.duration.unsigned_abs());
    out.list("Stats", &bucket.groups, |(key, group), out| grouped(key, group, bucket.start, out));
}

fn grouped(key: &GroupKey, group: &Group, start: i64, out: &mut Writer) {
    let chance = Chance::new(key, group, start);
    out.map(18);
    out.text("Service", &key.service);
    out.text("Name", &key.name);
    out.text("Resource", &key.resource);
    out.number("HTTPStatusCode", key.http_status_code.into());
    out.text("Type", &key.r#type);
    out.text("DBType", "");
    out.number("Hits", chance.round(group.hits));
    out.number("Errors", chance.round(group.errors));
    out.number("Duration", chance.round(group.duration));
    out.bytes("OkSummary", &group.ok.encode());
    out.bytes("ErrorSummary", &group.failed.encode());
    out.truth("Synthetics", key.synthetics);
    out.number("TopLevelHits", chance.round(group.top_level_hits));
    out.text("SpanKind", &key.span_kind);
    out.list("PeerTags", &key.peer_tags, |tag, out| out.value(tag));
    // Neither means "not set".
    out.number("IsTraceRoot", if key.is_trace_root { 1 } else { 2 });
    out.text("GRPCStatusCode", &key.grpc_status_code);
    out.text("srv_src", &key.service_source);
}

/// Rounds up or down at random, so that sums stay accurate; deterministic for the same statistics.
struct Chance(f64);

impl Chance {
    #[allow(clippy::cast_precision_loss, reason = "53 bits, which a double has")]
    fn new(key: &GroupKey, group: &Group, start: i64) -> Chance {
        let Group { hits, errors, duration, .. } = group;
        let seed = format!("{key:?} {start} {hits} {errors} {duration}");
        Chance((xxh3_64(seed.as_bytes()) >> 11) as f64 / (1_u64 << 53) as f64)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and saturates")]
    fn round(&self, number: f64) -> u64 {
        let whole = number.trunc() as u64;
        if self.0 < number.fract() { whole.saturating_add(1) } else { whole }
    }
}
