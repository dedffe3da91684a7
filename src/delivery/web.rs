//! HTTP clients for all targets: no redirects, no secrets in errors. Also interprets HTTP responses as far as their meaning is
//! the same for every target.

use super::Outcome;
use super::settings::ClientSettings;
use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Maximum bytes of a response body that are read.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Maximum characters of a target's message that are passed on.
const TOLD_CHARACTERS_MAX: usize = 1000;

/// Builds a client for one target; `place` is the key of its settings.
///
/// # Errors
/// When a header, the proxy, or a file of `tls` cannot be used.
pub(crate) fn client(place: &str, url: &Url, settings: &ClientSettings) -> anyhow::Result<Client> {
    let mut all = HeaderMap::new();
    for (name, value) in &settings.headers {
        let key = HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("{place}.headers: {name:?}"))?;
        let mut value = HeaderValue::from_str(value.reveal())
            .with_context(|| format!("{place}.headers.{name}: not a valid header value"))?;
        value.set_sensitive(true);
        all.insert(key, value);
    }
    let mut builder = Client::builder()
        .default_headers(all)
        .timeout(settings.timeout)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("spanwise/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &settings.proxy_url {
        // The error is discarded, because its text may contain a password.
        let proxy = reqwest::Proxy::all(proxy.reveal())
            .map_err(|_| anyhow::anyhow!("{place}.proxy_url: expected a URL such as http://proxy.example:3128"))?;
        builder = builder.proxy(proxy);
    } else if is_loopback(url) {
        // A proxy from the environment cannot reach this machine's loopback.
        builder = builder.no_proxy();
    }
    let builder = settings.tls.apply(builder).with_context(|| place.to_owned())?;
    builder.build().with_context(|| place.to_owned())
}

/// Appends a path to an address.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns why a request failed, without its URL, which may contain a secret.
pub(crate) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Parses `Retry-After`, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let when = httpdate::parse_http_date(text).ok()?;
    Some(when.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long it asks to wait.
    pub(crate) after: Option<Duration>,
    /// It is an HTML page: never from the target itself, but maybe from a proxy in front of it.
    pub(crate) is_page: bool,
    pub(crate) body: Vec<u8>,
}

/// Hints for responses that say nothing about the request: which keys of the exporter to check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hints<'a> {
    /// When access is denied.
    pub(crate) denied: &'a str,
    /// When another server seems to answer.
    pub(crate) elsewhere: &'a str,
}

impl Answer {
    /// Reads a response with the beginning of its body.
    pub(crate) async fn of(answer: reqwest::Response) -> Answer {
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer::read(status, &headers, beginning(answer).await)
    }

    pub(crate) fn read(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Answer {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_html = |text: &str| {
            let text = text.trim_start().to_ascii_lowercase();
            ["text/html", "application/xhtml+xml", "<!doctype html", "<html"]
                .iter()
                .any(|beginning| text.starts_with(beginning))
        };
        let head = String::from_utf8_lossy(&body[..body.len().min(100)]);
        // Some servers declare HTML for an empty body.
        let is_page = is_html(&head) || (is_html(kind) && !head.trim().is_empty());
        Answer { status, after: retry_after(headers), is_page, body }
    }

    /// Returns true if the body contains a tag.
    pub(crate) fn holds_markup(&self) -> bool {
        self.body.windows(2).any(|pair| pair[0] == b'<' && (pair[1].is_ascii_alphabetic() || b"!/".contains(&pair[1])))
    }

    /// Returns the meaning of the response, common to all HTTP targets; `told` is its message. `None` on success, which each
    /// protocol interprets itself.
    ///
    /// Only a statement about the request is a verdict on it. A wrong key, address or unpaid bill can be fixed, and the log
    /// keeps the data until then. A proxy's page is no verdict either, except that the request is too large.
    pub(crate) fn verdict(&self, told: &str, hints: &Hints<'_>) -> Option<Outcome> {
        let (status, after) = (self.status, self.after);
        let reason = self.reason(told, hints);
        Some(match status.as_u16() {
            413 => Outcome::TooLarge(reason),
            _ if self.is_page => Outcome::Retry { after, reason },
            200..300 => return None,
            300..=399 | 401..=405 | 407 | 408 | 410 | 421 | 425 | 429 | 500.. => Outcome::Retry { after, reason },
            400 | 422 => Outcome::Rejected(reason),
            _ => Outcome::PermanentError(reason),
        })
    }

    /// Combines the status, the message and the hints.
    fn reason(&self, told: &str, hints: &Hints<'_>) -> String {
        let status = self.status;
        let said = if self.is_page {
            self.page()
        } else if told.is_empty() {
            status.to_string()
        } else {
            format!("{status}: {}", cut(told))
        };
        match status.as_u16() {
            401..=403 => format!("{said} ({})", hints.denied),
            407 => format!("{said} (does `proxy_url` have the right user and password?)"),
            300..=399 => format!("{said} (redirects are not followed; {})", hints.elsewhere),
            404 | 405 | 410 | 421 => format!("{said} ({})", hints.elsewhere),
            413 => said,
            _ if self.is_page => format!("{said} ({})", hints.elsewhere),
            _ => said,
        }
    }

    /// Returns the message of an HTML page: its title.
    pub(crate) fn page(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let title = title.map_or(String::new(), |(title, _)| format!(", {:?}", cut(title.trim())));
        format!(
            "{} with an HTML page{title}, which is not a response of the target: does a proxy respond?",
            self.status
        )
    }
}

/// Reads the beginning of a response body.
pub(crate) async fn beginning(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(BODY_BYTES_MAX - body.len())]);
        if body.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    body
}

/// Truncates a target's message for logs and tables.
pub(crate) fn cut(text: &str) -> &str {
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
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(asked("Fri, 06 Nov 2099 08:49:37 GMT").is_some_and(|wait| wait > Duration::from_hours(24)));
        assert_eq!(asked("soon"), None);
    }

    fn verdict(status: u16, kind: &'static str, body: &str) -> Option<Outcome> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let answer = Answer::read(StatusCode::from_u16(status).unwrap(), &headers, body.into());
        answer.verdict(body, &Hints { denied: "is the key right?", elsewhere: "is `endpoint` right?" })
    }

    #[test]
    fn only_what_is_said_of_a_request_is_a_verdict_on_it() {
        let later = [
            (302, "302 Found: said (redirects are not followed; is `endpoint` right?)"),
            (401, "401 Unauthorized: said (is the key right?)"),
            (402, "402 Payment Required: said (is the key right?)"),
            (403, "403 Forbidden: said (is the key right?)"),
            (404, "404 Not Found: said (is `endpoint` right?)"),
            (405, "405 Method Not Allowed: said (is `endpoint` right?)"),
            (407, "407 Proxy Authentication Required: said (does `proxy_url` have the right user and password?)"),
            (408, "408 Request Timeout: said"),
            (410, "410 Gone: said (is `endpoint` right?)"),
            (421, "421 Misdirected Request: said (is `endpoint` right?)"),
            (425, "425 Too Early: said"),
            (429, "429 Too Many Requests: said"),
            (500, "500 Internal Server Error: said"),
            (503, "503 Service Unavailable: said"),
        ];
        for (status, reason) in later {
            let expected = Outcome::Retry { after: None, reason: reason.to_owned() };
            assert_eq!(verdict(status, "text/plain", "said"), Some(expected));
        }
        let of_the_request = [
            (400, Outcome::Rejected("400 Bad Request: said".into())),
            (422, Outcome::Rejected("422 Unprocessable Entity: said".into())),
            (413, Outcome::TooLarge("413 Payload Too Large: said".into())),
            (406, Outcome::PermanentError("406 Not Acceptable: said".into())),
            (415, Outcome::PermanentError("415 Unsupported Media Type: said".into())),
        ];
        for (status, expected) in of_the_request {
            assert_eq!(verdict(status, "text/plain", "said"), Some(expected));
        }
        assert_eq!(verdict(202, "text/plain", "said"), None);
        assert_eq!(verdict(400, "text/plain", ""), Some(Outcome::Rejected("400 Bad Request".into())));
    }

    #[test]
    fn a_page_says_nothing_but_that_something_is_too_large() {
        let page = "<html><head><title>Sign in</title></head>";
        let said = "with an HTML page, \"Sign in\", which is not a response of the target: does a proxy respond?";
        for (status, kind, told) in [
            (200, "text/html; charset=utf-8", "200 OK"),
            (400, "text/plain", "400 Bad Request"),
            (503, "TEXT/HTML", "503 Service Unavailable"),
        ] {
            let reason = format!("{told} {said} (is `endpoint` right?)");
            assert_eq!(verdict(status, kind, page), Some(Outcome::Retry { after: None, reason }));
        }
        assert!(matches!(verdict(413, "text/html", page), Some(Outcome::TooLarge(_))));
        let denied = verdict(403, "text/html", "<p>no</p>");
        assert!(
            matches!(&denied, Some(Outcome::Retry { reason, .. }) if reason.ends_with("(is the key right?)")),
            "{denied:?}"
        );
    }
}
