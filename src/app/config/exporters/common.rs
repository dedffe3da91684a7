//! What targets share: TLS, retries, and addresses to send to.

use crate::app::config::components::Reading;
use crate::app::config::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::sinks::settings::{RetrySettings, TlsSettings};
use http::Uri;

pub(super) fn tls(reading: &Reading<'_>, map: &MapReader<'_>) -> TlsSettings {
    let Some(map) = map.map("tls") else { return TlsSettings::default() };
    let settings = TlsSettings {
        insecure: map.bool("insecure").unwrap_or(false),
        ca_file: map.existing("ca_file", "a file of certificates in PEM form", std::path::Path::is_file),
        insecure_skip_verify: map.bool("insecure_skip_verify").unwrap_or(false),
    };
    let client = "send over a proxy that shows the client's certificate";
    reading.not_yet(
        &map,
        &[
            ("cert_file", client),
            ("key_file", client),
            ("cert_pem", client),
            ("key_pem", client),
            ("ca_pem", "write the certificates to a file, and name it as `ca_file`"),
            ("server_name_override", "name the server in `endpoint` as its certificate does"),
            ("max_version", "remove it"),
            ("cipher_suites", "remove it"),
        ],
    );
    reading
        .without_effect(&map, &["min_version", "reload_interval", "include_system_ca_certs_pool", "curve_preferences"]);
    map.finish();
    settings
}

pub(super) fn retry(map: &MapReader<'_>) -> RetrySettings {
    let defaults = RetrySettings::default();
    let Some(map) = map.map("retry_on_failure") else { return defaults };
    let at_least = |key: &str, least: f64, most: f64, default: f64| match map.float(key) {
        Some(number) if (least..=most).contains(&number) => number,
        Some(number) => {
            map.fault(key, format!("expected a number from {least} to {most}, found {number}"));
            default
        }
        None => default,
    };
    let settings = RetrySettings {
        enabled: map.bool("enabled").unwrap_or(defaults.enabled),
        initial_interval: map.duration_above_zero("initial_interval").unwrap_or(defaults.initial_interval),
        max_interval: map.duration_above_zero("max_interval").unwrap_or(defaults.max_interval),
        max_elapsed_time: map.duration("max_elapsed_time").unwrap_or(defaults.max_elapsed_time),
        multiplier: at_least("multiplier", 1.0, 100.0, defaults.multiplier),
        randomization_factor: at_least("randomization_factor", 0.0, 1.0, defaults.randomization_factor),
    };
    map.finish();
    settings
}

/// The address of a target: `host:port`, or a URL where `url` asks for one. A loop back into an own receiver is a fault.
pub(in crate::app::config) fn outward_endpoint(
    reading: &Reading<'_>,
    map: &MapReader<'_>,
    key: &str,
    url: bool,
) -> Option<String> {
    let text = map.text(key)?;
    let expected = if url { "a URL such as https://otel.example:4318" } else { "an address such as otel.example:4317" };
    if text.contains('@') {
        map.fault(key, format!("expected {expected} without a user name or password; write them into `headers`"));
        return None;
    }
    let text = text.strip_prefix("dns:///").map_or(text.clone(), str::to_owned);
    let (scheme, authority) = match text.parse::<Uri>() {
        Ok(uri) => (uri.scheme_str().map(str::to_owned), uri.authority().cloned()),
        Err(_) => (None, None),
    };
    let scheme_fits = match scheme.as_deref() {
        Some("http" | "https") => true,
        None => !url,
        Some(_) => false,
    };
    let Some(authority) = authority.filter(|authority| scheme_fits && !authority.host().is_empty()) else {
        map.fault(key, format!("expected {expected}, found {text:?}"));
        return None;
    };
    if authority.port_u16().is_none() && scheme.is_none() {
        map.fault(key, format!("expected {expected}, found {text:?}, which names no port"));
        return None;
    }
    let port = authority.port_u16().unwrap_or(if scheme.as_deref() == Some("http") { 80 } else { 443 });
    let host = authority.host().trim_matches(['[', ']']);
    if let Some(own) = reading.listens_at(host, port) {
        map.fault(key, format!("{text:?} is {own} itself, which would feed on its own; expected another target"));
        return None;
    }
    Some(text)
}
