//! Secrets, and the bearer token of a listener. All listeners parse `authorization` with the function defined here.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::fmt;

/// Text that is never printed: a token, or a URL that contains one.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text. Use only for sending.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in constant time, independent of where the texts differ.
    pub(crate) fn equals(&self, other: &str) -> bool {
        let differing = self.0.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == other.len() && differing == 0
    }

    /// Returns whether a request has this secret as its bearer token.
    pub(crate) fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.equals(token))
    }
}

/// Returns the token of `authorization: Bearer <token>`. The scheme is case-insensitive and whitespace around the token is
/// ignored, as in RFC 9110.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = std::str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = value.trim_matches(SPACE).split_once(SPACE)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(SPACE))
}

/// Whitespace characters in HTTP headers.
const SPACE: [char; 2] = [' ', '\t'];

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[masked]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[masked]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("https://hooks.example/T0/B0/x");
        assert_eq!(format!("{secret:?} {secret}"), "[masked] [masked]");
        assert!(secret.equals("https://hooks.example/T0/B0/x"));
        assert!(!secret.equals("https://hooks.example/T0/B0/y") && !secret.equals("https"));
    }

    fn bears(value: &[u8]) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap())]);
        Secret::new("to ken-é").is_borne_by(&headers)
    }

    /// RFC 9110, 11.1: the scheme is case-insensitive. 5.5: whitespace around a value is not part of it.
    #[test]
    fn a_token_is_read_in_any_case_and_spacing() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            for (before, between, behind) in [("", " ", ""), (" ", "  ", " "), ("\t", "\t", "\t "), ("", " \t ", "")] {
                let value = format!("{before}{scheme}{between}to ken-é{behind}");
                assert!(bears(value.as_bytes()), "{value:?}");
            }
        }
        for value in
            ["", "Bearer", "Bearer ", "Bearer to", "Bearer to ken-éé", "Bearerto ken-é", "Basic to ken-é", "to ken-é"]
        {
            assert!(!bears(value.as_bytes()), "{value:?}");
        }
        assert!(!bears(b"Bearer to ken-\xff"));
        assert!(!Secret::new("").is_borne_by(&HeaderMap::new()));
    }
}
