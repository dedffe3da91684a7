//! Settings of traces and their statistics.

use regex::Regex;
use std::collections::BTreeMap;

/// How spans are mapped. The defaults are those of the Collector's exporter.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct TraceSettings {
    /// The host of spans without one.
    pub hostname: String,
    /// The environment of spans without one, in statistics.
    pub env: String,
    /// The sender's name and version.
    pub agent_version: String,
    /// `traces.compute_stats_by_span_kind`: statistics also include server, client, producer and consumer spans that are
    /// neither top-level nor marked as measured.
    pub compute_stats_by_span_kind: bool,
    /// `traces.compute_top_level_by_span_kind`: roots, server and consumer spans are top-level; client and producer spans are
    /// measured. Otherwise spans are top-level if their parent is in another service, or unknown.
    pub compute_top_level_by_span_kind: bool,
    /// `traces.peer_tags_aggregation`: statistics are grouped by peer.
    pub peer_tags_aggregation: bool,
    /// `traces.peer_tags`: attributes that identify the peer, in addition to Datadog's own.
    pub peer_tags: Vec<String>,
    /// `traces.ignore_resources`: traces with a matching root resource are dropped, also from statistics.
    pub ignore_resources: Vec<Regex>,
    /// `traces.span_name_remappings`: replacements for operation names. Any entry turns the newer names of operations and
    /// resources off, as in the Collector.
    pub span_name_remappings: BTreeMap<String, String>,
    /// `traces.span_name_as_resource_name`: uses the span's name as the operation's. Also turns the newer names off.
    pub span_name_as_resource_name: bool,
}

impl Default for TraceSettings {
    fn default() -> TraceSettings {
        TraceSettings {
            hostname: String::new(),
            env: "none".to_owned(),
            agent_version: concat!("spanwise-", env!("CARGO_PKG_VERSION")).to_owned(),
            compute_stats_by_span_kind: true,
            compute_top_level_by_span_kind: false,
            peer_tags_aggregation: true,
            peer_tags: Vec::new(),
            ignore_resources: Vec::new(),
            span_name_remappings: BTreeMap::new(),
            span_name_as_resource_name: false,
        }
    }
}

impl TraceSettings {
    /// Returns true if operations and resources have their newer names.
    pub(super) fn newer_names(&self) -> bool {
        !self.span_name_as_resource_name && self.span_name_remappings.is_empty()
    }
}
