//! Access control: checks the bearer token, and rejects requests from pages of other sites in the user's browser.

use super::shared::{HttpSettings, refuse};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Access control of a listener.
pub(super) struct Guard {
    pub(super) settings: HttpSettings,
    /// The listener is on loopback, which other machines reach only through DNS rebinding.
    pub(super) loopback: bool,
}

/// Paths without data; browsers cannot send a token for them.
const OPEN: [&str; 3] = ["/", "/page.css", "/page.js"];

pub(super) async fn check(guard: Arc<Guard>, request: Request, next: Next) -> Response {
    match guard.refusal(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some((status, message)) => refuse(status, &message),
    }
}

impl Guard {
    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<(StatusCode, String)> {
        let host = match authority(uri, headers) {
            Ok(host) => host,
            Err(message) => return Some((StatusCode::BAD_REQUEST, message.to_owned())),
        };
        if !self.is_ours(&host) {
            let message = format!(
                "this is not {host:?}: expected the Host to be localhost or a loopback address, or one of extensions.sql.http.hosts"
            );
            return Some((StatusCode::MISDIRECTED_REQUEST, message));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let from = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
            // A proxy can forward requests under a different host name than the page's.
            let is_known = |from: &str| self.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name(from)));
            if !from.is_some_and(|from| from.eq_ignore_ascii_case(&host) || is_known(from)) {
                return Some((StatusCode::FORBIDDEN, "pages of other sites may not ask here".to_owned()));
            }
        }
        let token = self.settings.auth_token.as_ref().filter(|_| !OPEN.contains(&uri.path()))?;
        if token.is_borne_by(headers) {
            return None;
        }
        let message = "the bearer token is missing or wrong (extensions.sql.auth_token)";
        Some((StatusCode::UNAUTHORIZED, message.to_owned()))
    }

    /// Returns whether requests for this host are accepted. Rejects foreign names that resolve to this machine (DNS rebinding).
    fn is_ours(&self, host: &str) -> bool {
        let name = name(host);
        let is_loopback =
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let anyone = !self.loopback && self.settings.hosts.is_empty();
        anyone || is_loopback || self.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Returns the requested host and port: from the target in HTTP/2, from a header in HTTP/1.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map(str::to_owned).map_err(|_| "the Host header is not text"),
        (Some(_), Some(_)) => Err("there is more than one Host header: expected one"),
        (None, _) => uri.authority().map(ToString::to_string).ok_or("there is no Host header: expected one"),
    }
}

/// Returns the host name without its port.
fn name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::settings::Secret;

    const MISDIRECTED: Option<u16> = Some(421);

    fn guard(loopback: bool, hosts: &[&str], token: Option<&str>) -> Guard {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Guard {
            settings: HttpSettings { auth_token: token.map(Secret::new), hosts, ..HttpSettings::default() },
            loopback,
        }
    }

    fn refusal(guard: &Guard, target: &'static str, headers: &[(&'static str, &[u8])]) -> Option<u16> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, header::HeaderValue::from_bytes(value).unwrap());
        }
        guard.refusal(&Uri::from_static(target), &all).map(|(status, _)| status.as_u16())
    }

    fn of(guard: &Guard, headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        refusal(guard, "/v1/sql", &headers)
    }

    #[test]
    fn names_that_point_here_are_not_ours() {
        let guard = guard(true, &[], None);
        for host in ["127.0.0.1:4380", "[::1]:4380", "localhost:4380", "LOCALHOST", "127.8.9.1"] {
            assert_eq!(of(&guard, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example:4380", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0:4380", ""] {
            assert_eq!(of(&guard, &[("host", host)]), MISDIRECTED, "{host}");
        }
        assert_eq!(of(&guard, &[("host", "localhost"), ("host", "evil.example")]), Some(400));
        assert_eq!(of(&guard, &[]), Some(400));
        assert_eq!(refusal(&guard, "http://localhost:4380/v1/sql", &[]), None, "HTTP/2 has no Host header");
        assert_eq!(refusal(&guard, "http://evil.example/v1/sql", &[]), MISDIRECTED);
    }

    #[test]
    fn names_of_the_configuration_are_ours() {
        let named = guard(true, &["spanwise.example"], None);
        assert_eq!(of(&named, &[("host", "spanwise.example:4380")]), None);
        assert_eq!(of(&named, &[("host", "evil.example")]), MISDIRECTED);
        let open = guard(false, &[], None);
        assert_eq!(of(&open, &[("host", "whatever.example")]), None);
        let bound = guard(false, &["spanwise.example"], None);
        assert_eq!(of(&bound, &[("host", "whatever.example")]), MISDIRECTED);
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let guard = guard(true, &[], None);
        let from =
            |origin: &'static [u8]| refusal(&guard, "/v1/sql", &[("host", b"localhost:4380"), ("origin", origin)]);
        assert_eq!(from(b"http://localhost:4380"), None);
        for origin in [&b"https://evil.example"[..], b"null", b"http://localhost:9999", b"\xff", b""] {
            assert_eq!(from(origin), Some(403), "{origin:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_are_data() {
        let guard = guard(false, &[], Some("s"));
        let bearing = |value: &'static str| of(&guard, &[("host", "a"), ("authorization", value)]);
        assert_eq!(bearing("Bearer s"), None);
        assert_eq!(bearing("bearer  s "), None);
        for value in ["Bearer t", "Bearer ", "Bearer ss", "Basic s", "s"] {
            assert_eq!(bearing(value), Some(401), "{value}");
        }
        assert_eq!(of(&guard, &[("host", "a")]), Some(401));
        assert_eq!(refusal(&guard, "/", &[("host", b"a")]), None);
        assert_eq!(refusal(&guard, "/v1/findings", &[("host", b"a")]), Some(401));
    }
}
