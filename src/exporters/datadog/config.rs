//! `datadog`: the keys of the Collector's exporter.

use super::host_metadata::HostMetadataSettings;
use super::metrics::{HistogramMode, MetricsSettings};
use super::traces::TraceSettings;
use super::{ApiSettings, DatadogSettings, DeltaSettings, Endpoints, SITES, Way};
use crate::catalog::component::{Component, Reading};
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::Exporter;
use crate::delivery::config as common;
use crate::delivery::settings::{RetrySettings, Secret};
use crate::exporters::exporter_type::{ExporterKind, ExporterType};
use crate::exporters::temporality::Initial;
use crate::model::fault::hint;
use crate::model::signal::Signal;
use async_trait::async_trait;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);
/// Number of digits of an API key; an application key has 40.
const KEY_DIGITS: usize = 32;
/// Minimum interval of host metadata in the Collector's exporter.
const PERIOD_MIN: Duration = Duration::from_mins(5);
/// File with the host name on Linux.
const OWN_NAME: &str = "/proc/sys/kernel/hostname";

/// The type `datadog`.
pub(crate) const TYPE: ExporterType = ExporterType {
    names: &["datadog"],
    signals: &Signal::ALL,
    read: |declared| {
        declared
            .read_with(|declared, delivery| read(declared.reading, declared.component, declared.map, &delivery.retry))
    },
};

#[async_trait]
impl ExporterKind for DatadogSettings {
    fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        super::open(id, self)
    }

    fn refuses(&self, signal: Signal) -> Option<(&'static str, &'static str)> {
        (self.way == Way::Agent && signal != Signal::Traces).then_some((
            "sends to an Agent, which only accepts traces",
            "name another exporter here: `datadog/direct: {api: {key: …}}`, or `otlp_grpc` with the Agent's own OTLP endpoint",
        ))
    }

    async fn check(&self, id: &str) -> anyhow::Result<()> {
        super::keys::check(id, self).await
    }
}

fn read(
    reading: &Reading<'_>,
    component: &Component<'_>,
    map: MapReader<'_>,
    retry: &RetrySettings,
) -> Option<DatadogSettings> {
    let ways = [("intake", Way::Intake), ("otlp", Way::Otlp), ("agent", Way::Agent)];
    let way = map.word("send_to", &ways).unwrap_or_default();
    let is_local = way == Way::Agent;
    let hostname = hostname(&map, is_local);
    let [metrics, logs, traces] = ["metrics", "logs", "traces"].map(|section| endpoint(reading, &map, section));
    // The Collector's exporter uses the endpoint of metrics for the API, too.
    let api_elsewhere = metrics.clone();
    let is_anywhere = metrics.is_some() && logs.is_some() && traces.is_some();
    let (api_key, site, fail_on_invalid_key) = if is_local {
        of_agent(reading, &map);
        (Some(Secret::new("")), String::new(), false)
    } else {
        api(reading, component, &map, is_anywhere)
    };
    let endpoint = api_elsewhere.unwrap_or_else(|| format!("https://api.{site}"));
    let api = ApiSettings { endpoint, fail_on_invalid_key };
    let of_site = Endpoints::of(way, &site);
    let endpoints = Endpoints {
        metrics: metrics.unwrap_or(of_site.metrics),
        logs: logs.unwrap_or(of_site.logs),
        traces: traces.unwrap_or(of_site.traces),
    };
    let mut traces = read_traces(reading, &map, &hostname);
    if is_local {
        // The Agent has a default of its own, and applies it to traces and statistics alike.
        traces.env.clear();
    }
    let (metrics, delta) = read_metrics(reading, &map, hostname);
    read_logs(reading, &map);
    let mut host_metadata = HostMetadataSettings { retry: retry.clone(), ..HostMetadataSettings::default() };
    if !is_local {
        read_metadata(reading, &map, &mut host_metadata);
    }
    refuse(reading, &map);
    let client = common::http_client(reading, &map, TIMEOUT);
    map.finish();
    Some(DatadogSettings { way, api_key: api_key?, endpoints, api, client, traces, metrics, delta, host_metadata })
}

/// Reads the `endpoint` of a section, which is read separately later.
fn endpoint(reading: &Reading<'_>, map: &MapReader<'_>, section: &str) -> Option<String> {
    let section = map.map(section)?;
    common::outward_endpoint(reading, &section, "endpoint", true)
}

fn api(
    reading: &Reading<'_>,
    component: &Component<'_>,
    map: &MapReader<'_>,
    any_site: bool,
) -> (Option<Secret>, String, bool) {
    let default = SITES[0].to_owned();
    let Some(api) = map.map("api") else {
        if !map.has("api") {
            component.fault(reading, "expected `api: {key: …}`, found none");
        }
        return (None, default, false);
    };
    // A key from a file ends with a line break.
    let key = if api.need("key") { api.secret_text("key") } else { None };
    let key = key.map(|key| Secret::new(key.reveal().trim())).filter(|key| {
        let fits = !key.reveal().is_empty() && key.reveal().bytes().all(|byte| byte.is_ascii_hexdigit());
        if !fits {
            api.fault(
                "key",
                "expected hexadecimal digits, as Datadog writes its API keys, found something else (it is not shown)",
            );
        } else if key.reveal().len() != KEY_DIGITS {
            let found = key.reveal().len();
            let message = format!(
                "has {found} digits, and Datadog's API keys have {KEY_DIGITS}: is it an application key, or cut? (it is not shown)"
            );
            reading.note_key(&api, "key", &message);
        }
        fits
    });
    let site = api.text("site").unwrap_or(default);
    if !any_site && !SITES.contains(&site.as_str()) {
        api.fault("site", format!("expected one of {}, found {site:?}{}", SITES.join(", "), hint(&site, SITES)));
    }
    let fail_on_invalid_key = api.bool("fail_on_invalid_key").unwrap_or(false);
    api.finish();
    (key, site, fail_on_invalid_key)
}

/// Adds notes for keys that an Agent sets itself or does not support.
fn of_agent(reading: &Reading<'_>, map: &MapReader<'_>) {
    let all = [
        ("api", "is not used with `send_to: agent`: the Agent has its own key and site"),
        ("host_metadata", "has no effect with `send_to: agent`: the Agent reports its own host"),
        ("compression", "has no effect with `send_to: agent`: an Agent accepts no compressed requests"),
        ("metrics", "has no effect with `send_to: agent`, which only sends traces"),
        ("logs", "has no effect with `send_to: agent`, which only sends traces"),
    ];
    for (key, message) in all {
        reading.note_key(map, key, message);
    }
}

/// Returns the default host name: this machine, unless configured; an Agent knows its own best.
fn hostname(map: &MapReader<'_>, is_local: bool) -> String {
    let own = || if is_local { String::new() } else { std::fs::read_to_string(OWN_NAME).unwrap_or_default() };
    map.text("hostname").unwrap_or_else(own).trim().to_owned()
}

fn read_metrics(reading: &Reading<'_>, map: &MapReader<'_>, hostname: String) -> (MetricsSettings, DeltaSettings) {
    let mut settings = MetricsSettings { hostname, ..MetricsSettings::default() };
    let mut delta = DeltaSettings::default();
    let Some(map) = map.map("metrics") else { return (settings, delta) };
    let _read_before = map.get("endpoint");
    if let Some(seconds) = map.count("delta_ttl", 1) {
        delta.idle_max = Duration::from_secs(seconds as u64);
    }
    delta.series_max = map.count("series_max", 1).unwrap_or(delta.series_max);
    let is_set = |key: &str, default: bool| map.bool(key).unwrap_or(default);
    settings.resource_attributes_as_tags = is_set("resource_attributes_as_tags", false);
    settings.scope_as_tags = is_set("instrumentation_scope_metadata_as_tags", true);
    settings.infer_interval = is_set("infer_delta_interval", false);
    histograms(reading, &map, &mut settings);
    sums(&map, &mut settings, &mut delta);
    if let Some(summaries) = map.map("summaries") {
        settings.quantiles = summaries.word("mode", &[("gauges", true), ("noquantiles", false)]).unwrap_or(true);
        summaries.finish();
    }
    map.finish();
    (settings, delta)
}

fn histograms(reading: &Reading<'_>, map: &MapReader<'_>, settings: &mut MetricsSettings) {
    let Some(map) = map.map("histograms") else { return };
    let modes = [
        ("distributions", HistogramMode::Distributions),
        ("counters", HistogramMode::Counters),
        ("nobuckets", HistogramMode::NoBuckets),
    ];
    settings.histogram_mode = map.word("mode", &modes).unwrap_or_default();
    let older = map.bool("send_count_sum_metrics");
    settings.aggregations = map.bool("send_aggregation_metrics").or(older).unwrap_or(false);
    if map.given("send_count_sum_metrics") && map.given("send_aggregation_metrics") {
        map.fault("send_count_sum_metrics", "is the older name of send_aggregation_metrics; expected one of the two");
    } else {
        reading.note_key(&map, "send_count_sum_metrics", "is now called `send_aggregation_metrics`");
    }
    if settings.histogram_mode == HistogramMode::NoBuckets && !settings.aggregations {
        map.fault("mode", "nobuckets without `send_aggregation_metrics: true` sends nothing of histograms");
    }
    map.finish();
}

fn sums(map: &MapReader<'_>, settings: &mut MetricsSettings, delta: &mut DeltaSettings) {
    let Some(map) = map.map("sums") else { return };
    let modes = [("to_delta", true), ("raw_value", false)];
    settings.sums_to_delta = map.word("cumulative_monotonic_mode", &modes).unwrap_or(true);
    let initial = [("auto", Initial::Auto), ("drop", Initial::Drop), ("keep", Initial::Keep)];
    delta.initial = map.word("initial_cumulative_monotonic_value", &initial).unwrap_or_default();
    if !settings.sums_to_delta && map.given("initial_cumulative_monotonic_value") {
        map.fault(
            "initial_cumulative_monotonic_value",
            "is only for `cumulative_monotonic_mode: to_delta`; raw values are sent as they are",
        );
    }
    map.finish();
}

fn read_logs(reading: &Reading<'_>, map: &MapReader<'_>) {
    let Some(map) = map.map("logs") else { return };
    let _read_before = map.get("endpoint");
    let instead = "has no effect here: write `compression` or `sending_queue.batch` next to `api`";
    for key in ["use_compression", "compression_level", "batch_wait"] {
        reading.note_key(&map, key, instead);
        let _taken = map.get(key);
    }
    map.finish();
}

/// Reads the keys of traces, which define the conversion of spans to Datadog's form; Datadog's OTLP intake does it itself.
fn read_traces(reading: &Reading<'_>, map: &MapReader<'_>, hostname: &str) -> TraceSettings {
    let mut settings = TraceSettings { hostname: hostname.to_owned(), ..TraceSettings::default() };
    let Some(map) = map.map("traces") else { return settings };
    let _read_before = map.get("endpoint");
    let is_set = |key: &str, default: bool| map.bool(key).unwrap_or(default);
    settings.span_name_as_resource_name = is_set("span_name_as_resource_name", false);
    settings.compute_stats_by_span_kind = is_set("compute_stats_by_span_kind", true);
    settings.compute_top_level_by_span_kind = is_set("compute_top_level_by_span_kind", false);
    let older = map.bool("peer_service_aggregation");
    settings.peer_tags_aggregation = map.bool("peer_tags_aggregation").or(older).unwrap_or(true);
    if map.given("peer_service_aggregation") && map.given("peer_tags_aggregation") {
        map.fault("peer_service_aggregation", "is the older name of peer_tags_aggregation; expected one of the two");
    } else {
        reading.note_key(&map, "peer_service_aggregation", "is now called `peer_tags_aggregation`");
    }
    settings.peer_tags = map.strs("peer_tags");
    for pattern in map.strs("ignore_resources") {
        match Regex::new(&pattern) {
            Ok(pattern) => settings.ignore_resources.push(pattern),
            Err(_) => map.fault("ignore_resources", format!("expected regular expressions, found {pattern:?}")),
        }
    }
    settings.span_name_remappings = remappings(&map);
    reading.without_effect(&map, &["trace_buffer"]);
    map.finish();
    settings
}

fn remappings(map: &MapReader<'_>) -> BTreeMap<String, String> {
    let Some(map) = map.map("span_name_remappings") else { return BTreeMap::new() };
    let keys = map.entries().iter().map(|entry| entry.key.clone());
    let names = keys.filter_map(|key| {
        let name = map.text(&key).unwrap_or_default();
        if key.is_empty() || name.is_empty() {
            map.fault(&key, "expected the new name, found none");
            return None;
        }
        Some((key, name))
    });
    let names = names.collect();
    map.finish();
    names
}

fn read_metadata(reading: &Reading<'_>, map: &MapReader<'_>, settings: &mut HostMetadataSettings) {
    let Some(map) = map.map("host_metadata") else { return };
    settings.enabled = map.bool("enabled").unwrap_or(settings.enabled);
    let sources = [("config_or_system", false), ("first_resource", true)];
    settings.from_first_resource = map.word("hostname_source", &sources).unwrap_or(settings.from_first_resource);
    if settings.from_first_resource {
        reading.note_key(
            &map,
            "hostname_source",
            "names this machine after the host that sends first; resources with `datadog.host.use_as_metadata: true` \
             report their own hosts",
        );
    }
    settings.tags = map.strs("tags");
    if let Some(period) = map.duration_above_zero("reporter_period") {
        if period < PERIOD_MIN {
            map.fault("reporter_period", format!("expected 5m or more, found {}", humantime::format_duration(period)));
        }
        settings.reporter_period = period;
    }
    map.finish();
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.not_yet(
        map,
        &[
            ("only_metadata", "remove it"),
            ("orchestrator_explorer", "remove it; the Agent sends what it knows of Kubernetes"),
            ("endpoint", "write `metrics: {endpoint: …}`, `logs: {endpoint: …}` and `traces: {endpoint: …}`"),
        ],
    );
    reading.without_effect(
        map,
        &[
            "hostname_detection_timeout",
            "read_buffer_size",
            "write_buffer_size",
            "max_idle_conns",
            "max_idle_conns_per_host",
            "max_conns_per_host",
            "idle_conn_timeout",
            "disable_keep_alives",
        ],
    );
}
