//! CORS as in the Collector: rs/cors with credentials allowed. It applies to every response of the listener, including
//! rejections; otherwise a page would see "CORS error" instead of 401 or 503. `tests/integration/doors.rs` compares it with
//! a real Collector.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// Settings of `cors` of a listener. Without origins there is no CORS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsSettings {
    /// Origins of pages that may send. `*` allows any; one `*` within an origin matches any text.
    pub allowed_origins: Vec<String>,
    /// Headers that they may send; `*` allows any. If empty, those of `HEADERS`.
    pub allowed_headers: Vec<String>,
    /// Response headers that they may read.
    pub exposed_headers: Vec<String>,
    /// Time in seconds that a browser may cache the response to a preflight. Zero: the browser's default; negative: not at
    /// all.
    pub max_age_s: i64,
}

impl CorsSettings {
    /// Returns whether a page may send a header, given in lower case.
    #[must_use]
    pub fn allows_header(&self, name: &str) -> bool {
        let configured = self.allowed_headers.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name));
        configured || (self.allowed_headers.is_empty() && HEADERS.contains(&name))
    }
}

/// Headers that are allowed if none are configured.
const HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS];
/// `Vary` of the response to a preflight.
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// `Vary` of any other response.
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// Maximum number of empty elements in a list of headers (RFC 9110, 5.6.1: "a reasonable number").
const EMPTY_ELEMENTS_MAX: usize = 16;

/// The settings, prepared for matching requests.
pub(super) struct Cors {
    /// Allowed origins; `None` allows any.
    origins: Option<Vec<Pattern>>,
    /// Allowed headers, sorted; `None` allows any.
    headers: Option<Vec<String>>,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// An origin in lower case, before its `*` and after it.
struct Pattern {
    prefix: String,
    suffix: Option<String>,
}

/// Answers preflights, and adds the CORS headers to all other responses.
pub(super) async fn answer(cors: Arc<Cors>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let asks = headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty());
    if request.method() == Method::OPTIONS && asks {
        return (StatusCode::NO_CONTENT, cors.preflight(headers)).into_response();
    }
    let added = cors.added(request.method(), headers);
    let mut response = next.run(request).await;
    response.headers_mut().extend(added);
    response
}

impl Cors {
    /// Returns `None` if CORS is off.
    pub(super) fn new(settings: &CorsSettings) -> Option<Cors> {
        let CorsSettings { allowed_origins, allowed_headers, exposed_headers, max_age_s } = settings;
        if allowed_origins.is_empty() {
            return None;
        }
        let is_any = |list: &[String]| list.iter().any(|item| item == "*");
        let lower = |list: &[String]| list.iter().map(|item| item.to_lowercase()).collect::<Vec<_>>();
        let mut headers =
            if allowed_headers.is_empty() { HEADERS.map(str::to_owned).to_vec() } else { lower(allowed_headers) };
        headers.sort_unstable();
        headers.dedup();
        let exposed = exposed_headers.iter().map(|name| canonical(name)).collect::<Vec<_>>().join(", ");
        Some(Cors {
            origins: (!is_any(allowed_origins))
                .then(|| lower(allowed_origins).iter().map(|one| Pattern::of(one)).collect()),
            headers: (!is_any(allowed_headers)).then_some(headers),
            exposed: HeaderValue::from_str(&exposed).ok().filter(|exposed| !exposed.is_empty()),
            max_age: (*max_age_s != 0).then(|| HeaderValue::from((*max_age_s).max(0))),
        })
    }

    /// Returns the headers of the response to a preflight; if it asks for too much, only those that caches need.
    fn preflight(&self, headers: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::from_iter([(VARY, VARY_PREFLIGHT)]);
        let Some(origin) = self.allowed_origin(headers) else { return answer };
        let Some(method) = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|method| is_allowed(method.as_bytes()))
        else {
            return answer;
        };
        let wanted: Vec<&HeaderValue> = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().collect();
        if !self.headers.as_ref().is_none_or(|known| accepts(known, &wanted)) {
            return answer;
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if wanted.first().is_some_and(|first| !first.is_empty()) {
            answer.extend(wanted.into_iter().map(|value| (ACCESS_CONTROL_ALLOW_HEADERS, value.clone())));
        }
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        answer.extend(self.max_age.clone().map(|age| (ACCESS_CONTROL_MAX_AGE, age)));
        answer
    }

    /// Returns the headers added to the response to any other request.
    fn added(&self, method: &Method, headers: &HeaderMap) -> HeaderMap {
        let mut added = HeaderMap::from_iter([(VARY, VARY_ORIGIN)]);
        if let Some(origin) = self.allowed_origin(headers).filter(|_| METHODS.contains(method)) {
            added.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            added.extend(self.exposed.clone().map(|exposed| (ACCESS_CONTROL_EXPOSE_HEADERS, exposed)));
            added.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        added
    }

    /// Returns the value of the allow-origin header for a page of an allowed origin.
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN).filter(|origin| !origin.is_empty())?;
        let Some(patterns) = &self.origins else { return Some(ANY) };
        let text = String::from_utf8_lossy(origin.as_bytes()).to_lowercase();
        patterns.iter().any(|pattern| pattern.fits(&text)).then(|| origin.clone())
    }
}

impl Pattern {
    fn of(origin: &str) -> Pattern {
        match origin.split_once('*') {
            Some((prefix, suffix)) => Pattern { prefix: prefix.to_owned(), suffix: Some(suffix.to_owned()) },
            None => Pattern { prefix: origin.to_owned(), suffix: None },
        }
    }

    fn fits(&self, origin: &str) -> bool {
        match &self.suffix {
            None => origin == self.prefix,
            Some(suffix) => origin.strip_prefix(self.prefix.as_str()).is_some_and(|rest| rest.ends_with(suffix)),
        }
    }
}

fn is_allowed(method: &[u8]) -> bool {
    METHODS.iter().any(|known| known.as_str().as_bytes() == method)
}

/// Returns whether all headers that a browser asks for are known. A browser lists each once, in lower case and sorted
/// (Fetch, "CORS-unsafe request-header names"); any other list is not from a browser. A gateway may have split the list into
/// several.
fn accepts(known: &[String], wanted: &[&HeaderValue]) -> bool {
    let (mut last, mut empty) = (None, 0);
    for name in wanted.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let Some(name) = trimmed(name) else { return false };
        if name.is_empty() {
            empty += 1;
            if empty > EMPTY_ELEMENTS_MAX {
                return false;
            }
            continue;
        }
        let at = known.iter().position(|known| known.as_bytes() == name);
        if at.is_none() || at <= last {
            return false;
        }
        last = at;
    }
    true
}

/// Trims one space before and after an element; returns `None` if there is more.
fn trimmed(name: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let name = if is_space(name.last()) { &name[..name.len() - 1] } else { name };
    let name = if is_space(name.first()) { &name[1..] } else { name };
    (!is_space(name.last()) && !is_space(name.first())).then_some(name)
}

/// Returns a header name as Go writes it: `x-request-id` as `X-Request-Id`; an invalid name stays as it is.
fn canonical(name: &str) -> String {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    if name.is_empty() || !name.chars().all(is_token) {
        return name.to_owned();
    }
    let mut begins = true;
    let letters = name.chars().map(|letter| {
        let written = if begins { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        begins = letter == '-';
        written
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        let allowed_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        Cors::new(&CorsSettings { allowed_origins, ..CorsSettings::default() }).unwrap()
    }

    fn from(cors: &Cors, origin: &'static str) -> Option<HeaderValue> {
        cors.allowed_origin(&HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]))
    }

    #[test]
    fn one_star_stands_for_any_text() {
        let some = cors(&["https://*.shop.example", "http://localhost:*", "https://One.example"]);
        for origin in
            ["https://a.shop.example", "https://A.B.Shop.example", "http://localhost:3000", "https://one.example"]
        {
            assert_eq!(from(&some, origin).unwrap(), origin);
        }
        for origin in [
            "https://shop.example",
            "https://a.shop.example.evil.example",
            "http://a.shop.example",
            "https://one.example.evil",
            "null",
            "",
        ] {
            assert_eq!(from(&some, origin), None, "{origin}");
        }
        // Prefix and suffix must not overlap.
        assert_eq!(from(&cors(&["https://a*a.example"]), "https://a.example"), None);
        assert_eq!(from(&cors(&["x", "*"]), "null").unwrap(), "*");
        assert!(Cors::new(&CorsSettings::default()).is_none());
    }

    #[test]
    fn headers_are_asked_for_as_browsers_do() {
        let known = ["a", "b-c", "content-type"].map(str::to_owned);
        let all = |wanted: &[&'static str]| {
            let wanted: Vec<HeaderValue> = wanted.iter().map(|value| HeaderValue::from_static(value)).collect();
            accepts(&known, &wanted.iter().collect::<Vec<_>>())
        };
        assert!(all(&[]) && all(&[""]) && all(&["a,b-c"]) && all(&["a, b-c ,\tcontent-type"]) && all(&["a,,b-c"]));
        assert!(all(&["a", "b-c,content-type"]), "cut by a gateway");
        for wanted in ["d", "A", "b-c,a", "a,a", "a,  b-c", "a;b-c", ",,,,,,,,,,,,,,,,,a"] {
            assert!(!all(&[wanted]), "{wanted}");
        }
    }

    #[test]
    fn names_are_written_as_go_does() {
        assert_eq!(["x-request-id", "ETag", "a b", ""].map(canonical), ["X-Request-Id", "Etag", "a b", ""]);
    }
}
