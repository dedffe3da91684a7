//! `otlp_grpc` and `otlp_http`, also under their older names.

use super::presets;
use super::{DENIED, OtlpSettings, Protocol};
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::DeliverySettings;
use crate::delivery::Exporter;
use crate::delivery::config as common;
use crate::delivery::settings::Feed;
use crate::exporters::exporter_type::{Declared, ExporterKind, ExporterSettings, ExporterType};
use crate::model::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

/// The type `otlp_grpc`.
pub(crate) const GRPC: ExporterType = ExporterType {
    names: &["otlp_grpc", "otlp"],
    signals: &Signal::ALL,
    read: |declared| read_one(declared, Protocol::Grpc),
};

/// The type `otlp_http`.
pub(crate) const HTTP: ExporterType = ExporterType {
    names: &["otlp_http", "otlphttp"],
    signals: &Signal::ALL,
    read: |declared| read_one(declared, Protocol::Http),
};

impl ExporterKind for OtlpSettings {
    fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        super::open(id, self)
    }
}

fn read_one(declared: Declared<'_, '_>, protocol: Protocol) -> Vec<ExporterSettings> {
    declared.read_with(|declared, delivery| read(declared.reading, declared.map, protocol, &declared.feeds, delivery))
}

fn read(
    reading: &Reading<'_>,
    map: MapReader<'_>,
    protocol: Protocol,
    feeds: &[Feed],
    delivery: &mut DeliverySettings,
) -> Option<OtlpSettings> {
    let over_http = protocol == Protocol::Http;
    let own = |key| if over_http { common::outward_endpoint(reading, &map, key, true) } else { None };
    let of_signals = [own("traces_endpoint"), own("metrics_endpoint"), own("logs_endpoint")];
    if !over_http && map.given("preset") {
        map.fault("preset", "is a key of `otlp_http`, which these backends support best");
    }
    let preset = if over_http { presets::read(reading, &map, delivery) } else { None };
    let needed = feeds.iter().any(|feed| {
        let at = Signal::ALL.iter().position(|known| *known == feed.signal).unwrap_or_default();
        of_signals[at].is_none()
    });
    let of_preset = preset.as_ref().and_then(|preset| preset.endpoint.clone());
    // A preset without an endpoint has already reported that.
    let is_told = preset.is_some() && !map.given("endpoint");
    let endpoint = if of_preset.is_some() || is_told {
        of_preset
    } else if needed && !map.need("endpoint") {
        None
    } else {
        common::outward_endpoint(reading, &map, "endpoint", over_http).or_else(|| (!needed).then(String::new))
    };
    let mut settings = spoken(reading, map, protocol, endpoint.clone().unwrap_or_default(), of_signals);
    if let Some(preset) = preset {
        settings.client.headers.extend(preset.headers);
        settings.denied = presets::DENIED;
    }
    endpoint.map(|_| settings)
}

/// Reads the OTLP settings besides the address, and finishes the map.
pub(super) fn spoken(
    reading: &Reading<'_>,
    map: MapReader<'_>,
    protocol: Protocol,
    endpoint: String,
    of_signals: [Option<String>; 3],
) -> OtlpSettings {
    let over_http = protocol == Protocol::Http;
    if over_http && map.text("encoding").is_some_and(|found| found != "proto") {
        map.fault("encoding", "expected proto: JSON is not supported yet, and every OTLP server accepts proto");
    }
    let default_timeout = Duration::from_secs(if over_http { 30 } else { 5 });
    let [traces_endpoint, metrics_endpoint, logs_endpoint] = of_signals;
    let read_client = if over_http { common::http_client } else { common::client };
    let client = read_client(reading, &map, default_timeout);
    if !over_http && client.tls.insecure_skip_verify {
        map.fault(
            "tls",
            "insecure_skip_verify: over gRPC certificates are always verified; expected the authority's `ca_file`",
        );
    }
    if !over_http && client.proxy_url.is_some() {
        map.fault("proxy_url", "is a key of `otlp_http`; gRPC is sent without a proxy");
    }
    refuse(reading, &map, over_http);
    map.finish();
    OtlpSettings { protocol, endpoint, traces_endpoint, metrics_endpoint, logs_endpoint, client, denied: DENIED }
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>, over_http: bool) {
    reading.not_yet(
        map,
        &[
            ("auth", common::AUTHORIZATION),
            ("batcher", "write `sending_queue: {batch: {…}}` instead"),
            ("authority", "name the server in `endpoint`"),
            ("middlewares", "remove it; use a proxy in between for this"),
        ],
    );
    if over_http {
        common::http_without_effect(reading, map);
        reading.without_effect(map, &["keepalive", "profiles_endpoint"]);
        return;
    }
    reading.without_effect(
        map,
        &[
            "compression_params",
            "read_buffer_size",
            "write_buffer_size",
            "keepalive",
            "balancer_name",
            "wait_for_ready",
            "user_agent",
        ],
    );
}
