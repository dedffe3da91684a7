//! `prometheus`: an address that Prometheus scrapes.

use crate::app::config::collector;
use crate::app::config::components::{Guard, Reading, loopback};
use crate::app::config::values::{Values as _, is_plain_path};
use crate::catalog::yaml::MapReader;
use crate::sinks::prometheus::PrometheusSettings;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) fn read(reading: &Reading<'_>, map: MapReader<'_>) -> (SocketAddr, PrometheusSettings) {
    let auth_token = map.secret("auth_token");
    let anyone = map.bool("allow_unauthenticated").unwrap_or(false);
    let address = reading.listen(&map, loopback(8889), Guard::of(map.given("auth_token"), anyone));
    let path = map.text("path").unwrap_or_else(|| "/metrics".to_owned());
    if !is_plain_path(&path) {
        map.fault("path", format!("expected a path such as /metrics, found {path:?}"));
    }
    let settings = PrometheusSettings {
        namespace: map.text("namespace").unwrap_or_default(),
        const_labels: map.map("const_labels").map_or_else(BTreeMap::new, |map| labels(&map)),
        send_timestamps: map.bool("send_timestamps").unwrap_or(false),
        enable_open_metrics: map.bool("enable_open_metrics").unwrap_or(false),
        path,
        scrapes_max: map.count("scrapes_max", 1).unwrap_or(4),
        timeout: map.duration_above_zero("timeout").unwrap_or(Duration::from_secs(10)),
        auth_token,
    };
    let strategy = "UnderscoreEscapingWithSuffixes";
    if let Some(other) = map.text("translation_strategy").filter(|other| other != strategy) {
        map.fault(
            "translation_strategy",
            format!("expected {strategy}, which is all that is offered yet, found {other:?}"),
        );
    }
    if map.bool("add_metric_suffixes") == Some(false) {
        map.fault("add_metric_suffixes", "expected true: names without suffixes are not offered yet");
    }
    if let Some(conversion) = map.map("resource_to_telemetry_conversion") {
        if conversion.bool("enabled") == Some(true) {
            conversion.fault("enabled", "is not supported yet; join with `target_info` in PromQL in its place");
        }
        conversion.get("exclude_service_attributes");
        conversion.finish();
    }
    if let Some(constant) = map.map("resource_constant_labels") {
        if constant.bool("enabled") == Some(true) {
            constant.fault("enabled", "is not supported yet; write them as `const_labels`");
        }
        constant.entries();
    }
    collector::http(reading, &map);
    reading.note_key(
        &map,
        "without_scope_info",
        "is not followed: what came in with a scope keeps its otel_scope_* labels",
    );
    reading.note_key(
        &map,
        "metric_expiration",
        "is not followed: a series that came in is shown for an hour after its last point",
    );
    reading.without_effect(&map, &["read_timeout", "cors", "max_request_body_size", "sending_queue"]);
    map.finish();
    (address, settings)
}

fn labels(map: &MapReader<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in map.entries() {
        let name = &entry.key;
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if ["le", "quantile"].contains(&name.as_str()) {
            map.fault(name, "expected a label that histograms and summaries do not have themselves");
        } else if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.starts_with("__") {
            map.fault(name, format!("expected the name of a label: letters, digits and _, found {name:?}"));
        } else if let Some(value) = map.text(name) {
            labels.insert(name.clone(), value);
        }
    }
    labels
}
