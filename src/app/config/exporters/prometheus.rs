//! `prometheus`: an endpoint that Prometheus scrapes.

use crate::app::config::components::{Reading, loopback};
use crate::app::config::values::{Values as _, is_plain_path};
use crate::app::config::{collector, listening};
use crate::catalog::yaml::MapReader;
use crate::exporters::prometheus::{PrometheusSettings, Selection, Translation};
use crate::net::Endpoint;
use std::collections::BTreeMap;

pub(super) fn read(reading: &Reading<'_>, map: MapReader<'_>) -> (Endpoint, PrometheusSettings) {
    let auth_token = map.secret("auth_token");
    let anyone = map.bool("allow_unauthenticated").unwrap_or(false);
    let endpoint = listening::endpoint(reading, &map, loopback(8889), map.given("auth_token"), anyone);
    let path = map.text("path").unwrap_or_else(|| "/metrics".to_owned());
    if !is_plain_path(&path) {
        map.fault("path", format!("expected a path such as /metrics, found {path:?}"));
    }
    let defaults = PrometheusSettings::default();
    let settings = PrometheusSettings {
        namespace: map.text("namespace").unwrap_or_default(),
        const_labels: map.map("const_labels").map_or_else(BTreeMap::new, |map| labels(&map)),
        send_timestamps: map.bool("send_timestamps").unwrap_or(false),
        enable_open_metrics: map.bool("enable_open_metrics").unwrap_or(false),
        translation: translation(&map),
        metric_expiration: map.duration_above_zero("metric_expiration").unwrap_or(defaults.metric_expiration),
        resource_labels: resource_labels(&map),
        without_scope_info: map.bool("without_scope_info").unwrap_or(false),
        created_timestamps: map.bool("created_timestamps").unwrap_or(defaults.created_timestamps),
        classic_histograms: map.bool("classic_histograms").unwrap_or(false),
        path,
        scrapes_max: map.count("scrapes_max", 1).unwrap_or(defaults.scrapes_max),
        timeout: map.duration_above_zero("timeout").unwrap_or(defaults.timeout),
        auth_token,
    };
    collector::http(reading, &map);
    reading.without_effect(&map, &["read_timeout", "cors", "max_request_body_size", "sending_queue"]);
    map.finish();
    (endpoint, settings)
}

/// Reads `translation_strategy`, or the older `add_metric_suffixes` if that is not set.
fn translation(map: &MapReader<'_>) -> Translation {
    let suffixes = map.bool("add_metric_suffixes").unwrap_or(true);
    let older = if suffixes { Translation::default() } else { Translation::UnderscoreEscapingWithoutSuffixes };
    map.word("translation_strategy", &Translation::WORDS).unwrap_or(older)
}

/// Reads `resource_constant_labels`, or the older `resource_to_telemetry_conversion`.
pub(super) fn resource_labels(map: &MapReader<'_>) -> Selection {
    let constant = map.map("resource_constant_labels").map(|of| {
        for key in ["enabled", "exclude_service_attributes"] {
            if of.bool(key) == Some(true) {
                of.fault(
                    key,
                    "belongs to resource_to_telemetry_conversion; expected lists of names, `included` and `excluded`",
                );
            }
        }
        let selection = Selection::new(&of.strs("included"), &of.strs("excluded"));
        of.finish();
        selection
    });
    let converted = map.map("resource_to_telemetry_conversion").map(|of| {
        let enabled = of.bool("enabled").unwrap_or(false);
        let without_service = of.bool("exclude_service_attributes").unwrap_or(false);
        of.finish();
        let (included, excluded): (&[&str], &[&str]) = match (enabled, without_service) {
            (false, _) => (&[], &[]),
            (true, false) => (&["*"], &[]),
            (true, true) => (&["*"], &["service.name", "service.namespace", "service.instance.id"]),
        };
        (enabled, Selection::new(included, excluded))
    });
    if constant.is_some() && converted.as_ref().is_some_and(|(enabled, _)| *enabled) {
        map.fault(
            "resource_to_telemetry_conversion",
            "says which attributes become labels, as resource_constant_labels does; expected one of the two",
        );
    }
    constant.or(converted.map(|(_, selection)| selection)).unwrap_or_default()
}

fn labels(map: &MapReader<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in map.entries() {
        let name = &entry.key;
        if ["le", "quantile"].contains(&name.as_str()) {
            map.fault(name, "expected a label that histograms and summaries do not have themselves");
        } else if name.starts_with("__") || !name.contains(|c: char| c.is_ascii_alphanumeric()) {
            map.fault(name, format!("expected the name of a label, with letters or digits, found {name:?}"));
        } else if let Some(value) = map.text(name) {
            labels.insert(name.clone(), value);
        }
    }
    labels
}
