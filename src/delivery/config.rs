//! Reads the settings that all exporters have: requests, retries, queues and addresses.

mod tls;

use super::DeliverySettings;
use super::settings::{BatchSettings, ClientSettings, Compression, QueueSettings, RateSettings, RetrySettings, Secret};
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use http::Uri;
use std::time::Duration;

/// Alternative to `auth`, for messages.
pub(crate) const AUTHORIZATION: &str = "write `headers: {authorization: \"Bearer ${env:TOKEN}\"}` instead, or \
                                        `\"Basic ${env:NAME_AND_PASSWORD_IN_BASE64}\"` for a name with a password";

/// Reads the client settings: `timeout`, `headers`, `tls`, `proxy_url` and `compression`.
pub(crate) fn client(reading: &Reading<'_>, map: &MapReader<'_>, timeout: Duration) -> ClientSettings {
    let words = [
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("none", Compression::None),
        ("", Compression::None),
    ];
    let compression = map.word("compression", &words).unwrap_or_default();
    client_of(reading, map, timeout, compression)
}

/// Reads the client settings of an HTTP target.
pub(crate) fn http_client(reading: &Reading<'_>, map: &MapReader<'_>, timeout: Duration) -> ClientSettings {
    let client = client(reading, map, timeout);
    known_by_address(map, &client);
    client
}

/// Rejects settings that HTTP does not support.
pub(crate) fn known_by_address(map: &MapReader<'_>, client: &ClientSettings) {
    if client.tls.server_name.is_some() {
        map.fault(
            "tls",
            "server_name_override: over HTTP the address names the server; write the certificate's name in `endpoint`",
        );
    }
}

/// Keys of a Collector's HTTP client that are ignored here.
pub(crate) fn http_without_effect(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.without_effect(
        map,
        &[
            "compression_params",
            "read_buffer_size",
            "write_buffer_size",
            "max_idle_conns",
            "max_idle_conns_per_host",
            "max_conns_per_host",
            "idle_conn_timeout",
            "disable_keep_alives",
            "http2_read_idle_timeout",
            "http2_ping_timeout",
            "force_attempt_http2",
            "cookies",
        ],
    );
}

/// Same as [`client`], for protocols that define the compression.
pub(crate) fn client_of(
    reading: &Reading<'_>,
    map: &MapReader<'_>,
    timeout: Duration,
    compression: Compression,
) -> ClientSettings {
    ClientSettings {
        timeout: map.duration_above_zero("timeout").unwrap_or(timeout),
        headers: map.headers("headers"),
        tls: tls::read(reading, map),
        proxy_url: proxy(map),
        compression,
    }
}

/// Reads `proxy_url`; it may contain a password, so it is never shown.
fn proxy(map: &MapReader<'_>) -> Option<Secret> {
    let url = if map.given("proxy_url") { map.secret("proxy_url")? } else { return None };
    let fits = url.reveal().parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !fits {
        map.fault(
            "proxy_url",
            "expected a URL such as http://proxy.example:3128, found something else (it is not shown)",
        );
    }
    fits.then_some(url)
}

pub(crate) fn retry(map: &MapReader<'_>) -> RetrySettings {
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

/// Reads the delivery settings: `retry_on_failure` and `sending_queue`.
pub(crate) fn delivery(reading: &Reading<'_>, id: &str, map: &MapReader<'_>) -> DeliverySettings {
    let (batch, queue) = queue(reading, map);
    DeliverySettings { id: id.to_owned(), retry: retry(map), batch, queue }
}

/// Reads `sending_queue`: the log is the queue, on disk and always on. The settings limit how far this target may lag
/// behind.
fn queue(reading: &Reading<'_>, map: &MapReader<'_>) -> (BatchSettings, QueueSettings) {
    let mut settings = QueueSettings::default();
    let Some(queue) = map.map("sending_queue") else { return (BatchSettings::default(), settings) };
    let sized = ["enabled", "wait_for_result", "storage"].iter().any(|key| queue.given(key));
    if sized {
        reading.note(
            queue.line(),
            map.path("sending_queue"),
            "the log is the queue: it is on disk, always on, and limited by extensions.store.log; `enabled`, `storage` and \
             `wait_for_result` have no effect",
        );
    }
    settings.consumers = queue.count("num_consumers", 1).unwrap_or(settings.consumers);
    settings.age_max = queue.duration_above_zero("age_max");
    settings.bytes_max = queue_bytes(reading, &queue);
    let overflow = [("hold_senders", false), ("drop_oldest", true)];
    settings.drops_oldest = queue.word("on_overflow", &overflow).unwrap_or(false);
    if let Some(holds) = queue.bool("block_on_overflow") {
        if queue.given("on_overflow") && holds == settings.drops_oldest {
            queue.fault("block_on_overflow", "contradicts on_overflow; expected one of the two");
        }
        settings.drops_oldest = !holds;
    }
    let is_bounded = settings.age_max.is_some() || settings.bytes_max.is_some();
    if settings.drops_oldest && !is_bounded {
        reading.note(
            queue.line(),
            map.path("sending_queue"),
            "nothing is dropped, because neither `queue_size` with `sizer: bytes` nor `age_max` sets a limit",
        );
    }
    let batch = queue.map("batch").map_or_else(BatchSettings::default, |map| batch(reading, map));
    queue.finish();
    (batch, settings)
}

/// Reads `queue_size` if it is in bytes, the only unit that the log supports.
fn queue_bytes(reading: &Reading<'_>, queue: &MapReader<'_>) -> Option<u64> {
    let in_bytes = queue.word("sizer", &[("requests", false), ("items", false), ("bytes", true)]).unwrap_or(false);
    if in_bytes {
        return queue.size("queue_size").map(|bytes| bytes as u64);
    }
    let _a_number_all_the_same = queue.count("queue_size", 1);
    reading.note_key(
        queue,
        "queue_size",
        "has no effect unless `sizer: bytes`: the log is the queue, and counts bytes",
    );
    None
}

/// Reads `rate_limit` of a target.
pub(crate) fn rate(map: &MapReader<'_>) -> RateSettings {
    let Some(limit) = map.map("rate_limit") else { return RateSettings::default() };
    let requests_per_second = limit.float("requests_per_second").filter(|limit_of| {
        let fits = *limit_of > 0.0;
        if !fits {
            limit.fault("requests_per_second", format!("expected a number above 0, found {limit_of}"));
        }
        fits
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let bytes_per_second = limit.size("bytes_per_second").map(|bytes| bytes as f64);
    limit.finish();
    RateSettings { requests_per_second, bytes_per_second }
}

fn batch(reading: &Reading<'_>, map: MapReader<'_>) -> BatchSettings {
    reading.without_effect(&map, &["partition"]);
    let in_bytes = map.word("sizer", &[("items", false), ("bytes", true)]).unwrap_or(false);
    let mut batch = BatchSettings::default();
    batch.flush_timeout = map.duration("flush_timeout").unwrap_or(batch.flush_timeout);
    let (least, most) = (map.count("min_size", 0), map.count("max_size", 0));
    if let (Some(least), Some(most)) = (least, most)
        && most > 0
        && least > most
    {
        map.fault("max_size", format!("expected at least min_size, which is {least}, found {most}"));
    }
    if in_bytes {
        reading.note_key(
            &map,
            "min_size",
            "has no effect with `sizer: bytes`: the minimum counts items, and smaller batches are sent after `flush_timeout`",
        );
        batch.bytes_max = most.filter(|most| *most > 0).unwrap_or(batch.bytes_max);
    } else {
        batch.items_min = least.map_or(batch.items_min, |least| least as u64);
        batch.items_max = most.map_or(batch.items_max, |most| most as u64);
        // A maximum below the default minimum would delay every request until it exceeds its maximum.
        if batch.items_max > 0 {
            batch.items_min = batch.items_min.min(batch.items_max);
        }
    }
    batch.bytes_max = map.size("bytes_max").unwrap_or(batch.bytes_max);
    map.finish();
    batch
}

/// Reads the address of a target: `host:port`, or a URL if `url` is set. An address of an own receiver would be a loop and
/// is a fault.
pub(crate) fn outward_endpoint(reading: &Reading<'_>, map: &MapReader<'_>, key: &str, url: bool) -> Option<String> {
    let address = address(reading, &map.text(key)?, url);
    address.map_err(|message| map.fault(key, message)).ok()
}

/// Parses an address from text; the error is the message of the fault.
pub(crate) fn address(reading: &Reading<'_>, text: &str, url: bool) -> Result<String, String> {
    let expected = if url { "a URL such as https://otel.example:4318" } else { "an address such as otel.example:4317" };
    if text.contains('@') {
        return Err(format!("expected {expected} without a user name or password; write them into `headers`"));
    }
    let text = text.strip_prefix("dns:///").unwrap_or(text);
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
        return Err(format!("expected {expected}, found {text:?}"));
    };
    if authority.port_u16().is_none() && scheme.is_none() {
        return Err(format!("expected {expected}, found {text:?}, which has no port"));
    }
    let port = authority.port_u16().unwrap_or(if scheme.as_deref() == Some("http") { 80 } else { 443 });
    let host = authority.host().trim_matches(['[', ']']);
    if let Some(own) = reading.listens_at(host, port) {
        return Err(format!("{text:?} is {own} itself, which would be a loop; expected another target"));
    }
    Ok(text.to_owned())
}
