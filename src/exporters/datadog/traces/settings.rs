//! What the user says about traces and their statistics.

use regex::Regex;
use std::collections::BTreeMap;

/// How spans become Datadog's. The defaults are those of the Collector's exporter.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct TraceSettings {
    /// The host of what names none.
    pub hostname: String,
    /// The environment of what names none, in statistics.
    pub env: String,
    /// The sender's name and version.
    pub agent_version: String,
    /// `traces.compute_stats_by_span_kind`: statistics of server, client, producer and consumer spans, too, that are
    /// neither at the top of their service nor marked as measured.
    pub compute_stats_by_span_kind: bool,
    /// `traces.compute_top_level_by_span_kind`: roots, server and consumer spans are at the top; client and producer
    /// spans are measured. Otherwise those are at the top whose parent is of another service, or not known.
    pub compute_top_level_by_span_kind: bool,
    /// `traces.peer_tags_aggregation`: statistics are kept by what is on the other side.
    pub peer_tags_aggregation: bool,
    /// `traces.peer_tags`: attributes that say so, besides those that Datadog knows.
    pub peer_tags: Vec<String>,
    /// `traces.ignore_resources`: traces whose root has such a resource are left out, of statistics, too.
    pub ignore_resources: Vec<Regex>,
    /// `traces.span_name_remappings`: operation names by what they would be otherwise. Any entry turns the newer names
    /// of operations and resources off, as it does in the Collector.
    pub span_name_remappings: BTreeMap<String, String>,
    /// `traces.span_name_as_resource_name`: the span's name is the operation's. It turns the newer names off, too.
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
    /// Whether operations and resources are named the newer way.
    pub(super) fn newer_names(&self) -> bool {
        !self.span_name_as_resource_name && self.span_name_remappings.is_empty()
    }
}
