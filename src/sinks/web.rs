//! HTTP clients of targets, all of one kind: no redirects, secrets never in an error.

use super::settings::ClientSettings;
use super::tls;
use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// How much of an answer is looked at.
const BODY_BYTES_MAX: usize = 256 << 10;
/// How much of what a target says is told on.
const TOLD_CHARACTERS_MAX: usize = 1000;

/// A client for one target; `place` is the key of its settings.
///
/// # Errors
/// When a header, the proxy, or a file of `tls` cannot be used.
pub(super) fn client(place: &str, url: &Url, settings: &ClientSettings) -> anyhow::Result<Client> {
    let mut all = HeaderMap::new();
    for (name, value) in &settings.headers {
        let key = HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("{place}.headers: {name:?}"))?;
        let mut value = HeaderValue::from_str(value.reveal())
            .with_context(|| format!("{place}.headers.{name}: not a header's value"))?;
        value.set_sensitive(true);
        all.insert(key, value);
    }
    let mut builder = Client::builder()
        .default_headers(all)
        .timeout(settings.timeout)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("spanwise/", env!("CARGO_PKG_VERSION")))
        .tls_danger_accept_invalid_certs(settings.tls.insecure_skip_verify);
    if let Some(proxy) = &settings.proxy_url {
        // Its text may hold a password, so nothing of it is told.
        let proxy = reqwest::Proxy::all(proxy.reveal())
            .map_err(|_| anyhow::anyhow!("{place}.proxy_url: expected a URL such as http://proxy.example:3128"))?;
        builder = builder.proxy(proxy);
    } else if is_loopback(url) {
        // A proxy of the environment cannot reach this machine's loopback.
        builder = builder.no_proxy();
    }
    let of_place = || place.to_owned();
    if let Some(pem) = settings.tls.authorities().with_context(of_place)? {
        let authorities =
            reqwest::Certificate::from_pem_bundle(&pem).with_context(|| format!("{place}.tls.ca_file"))?;
        builder = builder.tls_certs_only(authorities);
    }
    if let Some((certificate, key)) = settings.tls.identity().with_context(of_place)? {
        builder = builder.identity(tls::identity(&certificate, &key).with_context(of_place)?);
    }
    builder.build().with_context(|| place.to_owned())
}

/// The address of a path below another address.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why a request failed, without its URL: that may hold a secret.
pub(super) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // The one form of dates that HTTP still writes: Sun, 06 Nov 1994 08:49:37 GMT.
    let when = humantime_of_http_date(text)?;
    Some(when.duration_since(SystemTime::now()).unwrap_or_default())
}

fn humantime_of_http_date(text: &str) -> Option<SystemTime> {
    let [_, day, month, year, time, "GMT"] = *text.split(' ').collect::<Vec<_>>() else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|known| *known == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

/// Whether an answer is a page for people: no target says anything by one, but what stands before it may.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// What is told of such an answer.
pub(super) fn page_of(status: StatusCode) -> String {
    format!(
        "{status} with a page of HTML, which is no answer of the target: is its address right, or does a proxy answer?"
    )
}

/// The beginning of an answer's body.
pub(super) async fn beginning(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(BODY_BYTES_MAX - body.len())]);
        if body.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    body
}

/// As much of a target's words as is told on.
pub(super) fn cut(text: &str) -> &str {
    text.char_indices().nth(TOLD_CHARACTERS_MAX).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
    }

    #[test]
    fn a_target_asks_to_wait_in_seconds_or_until_a_date() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(asked("Fri, 06 Nov 2099 08:49:37 GMT").is_some_and(|wait| wait > Duration::from_secs(86_400)));
        assert_eq!(asked("soon"), None);
    }
}
