//! Statistics as MessagePack, as `/api/v0.2/stats` takes it.

use super::{Bucket, ClientStats, Group, GroupKey, StatsPayload};
use bytes::Bytes;
use rmp::encode::{write_array_len, write_bin, write_bool, write_map_len, write_str, write_uint};
use xxhash_rust::xxh3::xxh3_64;

/// Groups of a body that the Agent sends at once, about 1.5 MB of them.
pub const ENTRIES_MAX: usize = 4000;

/// The body of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsBody {
    /// Groups in it.
    pub entries: usize,
    /// The payload, not compressed.
    pub body: Bytes,
}

/// Puts statistics into bodies of at most `max` groups. None where there are no statistics.
#[must_use]
pub fn bodies(payload: &StatsPayload, max: usize) -> Vec<StatsBody> {
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
                part.last_mut().into_iter().for_each(|stats| stats.buckets.push(bucket.clone()));
                room -= now.len();
                later = rest;
            }
        }
    }
    let split = parts.len() > 1;
    parts.iter().map(|part| body(payload, part, split)).collect()
}

fn body(payload: &StatsPayload, part: &[ClientStats], split: bool) -> StatsBody {
    let mut out = Writer(Vec::new());
    out.map(6);
    out.text("AgentHostname", &payload.agent_hostname);
    out.text("AgentEnv", &payload.agent_env);
    out.list("Stats", part, client);
    out.text("AgentVersion", &payload.agent_version);
    out.truth("ClientComputed", false);
    out.truth("SplitPayload", split);
    let entries = part.iter().flat_map(|stats| &stats.buckets).map(|bucket| bucket.groups.len()).sum();
    StatsBody { entries, body: out.0.into() }
}

fn client(stats: &ClientStats, out: &mut Writer) {
    let key = &stats.key;
    out.map(9);
    out.text("Hostname", &key.hostname);
    out.text("Env", &key.env);
    out.text("Version", &key.version);
    out.list("Stats", &stats.buckets, bucket);
    out.text("Lang", &key.lang);
    out.text("Service", &key.service);
    out.text("ContainerID", &key.container_id);
    out.list("Tags", &[] as &[String], |tag, out| out.value(tag));
    out.text("GitCommitSha", &key.git_commit_sha);
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
    // Neither is "not set".
    out.number("IsTraceRoot", if key.is_trace_root { 1 } else { 2 });
    out.text("GRPCStatusCode", &key.grpc_status_code);
    out.text("srv_src", &key.service_source);
}

/// Rounds up or down by chance, so that sums of many stay true; the same statistics always the same way.
struct Chance(f64);

impl Chance {
    #[allow(clippy::cast_precision_loss)]
    fn new(key: &GroupKey, group: &Group, start: i64) -> Chance {
        let Group { hits, errors, duration, .. } = group;
        let seed = format!("{key:?} {start} {hits} {errors} {duration}");
        Chance((xxh3_64(seed.as_bytes()) >> 11) as f64 / (1_u64 << 53) as f64)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn round(&self, number: f64) -> u64 {
        let whole = number.trunc() as u64;
        if self.0 < number.fract() { whole.saturating_add(1) } else { whole }
    }
}

/// Writes into memory, where nothing can fail.
struct Writer(Vec<u8>);

impl Writer {
    #[allow(clippy::cast_possible_truncation)]
    fn map(&mut self, fields: usize) {
        let _infallible = write_map_len(&mut self.0, fields as u32);
    }

    fn value(&mut self, text: &str) {
        let _infallible = write_str(&mut self.0, text);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key);
        self.value(text);
    }

    fn number(&mut self, key: &str, number: u64) {
        self.value(key);
        let _infallible = write_uint(&mut self.0, number);
    }

    fn truth(&mut self, key: &str, truth: bool) {
        self.value(key);
        let _infallible = write_bool(&mut self.0, truth);
    }

    fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.value(key);
        let _infallible = write_bin(&mut self.0, bytes);
    }

    #[allow(clippy::cast_possible_truncation)]
    fn list<T>(&mut self, key: &str, items: &[T], mut write: impl FnMut(&T, &mut Writer)) {
        self.value(key);
        let _infallible = write_array_len(&mut self.0, items.len() as u32);
        for item in items {
            write(item, self);
        }
    }
}
