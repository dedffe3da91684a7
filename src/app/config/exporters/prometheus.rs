//! `prometheus`: an endpoint that Prometheus scrapes.

use crate::app::config::{collector, listening};
use crate::catalog::component::{Reading, loopback};
use crate::catalog::values::{Values as _, is_plain_path};
use crate::catalog::yaml::MapReader;
use crate::exporters::prometheus::{self, PrometheusSettings, Translation};
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
        resource_labels: prometheus::resource_labels(&map),
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
