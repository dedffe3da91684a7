//! Settings that several targets share.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Text that is never printed: a token, or a URL that holds one.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the wire alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares without telling by its duration where the two differ.
    pub(crate) fn equals(&self, other: &str) -> bool {
        let differing = self.0.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == other.len() && differing == 0
    }
}

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

/// `tls` of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// Speak plain text where the endpoint names no scheme.
    pub insecure: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
}

/// `retry_on_failure` of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// Off: what fails once is a dead letter.
    pub enabled: bool,
    /// Wait after the first failure.
    pub initial_interval: Duration,
    /// Longest wait; a wait that the target asks for may be longer.
    pub max_interval: Duration,
    /// Give up after this long; zero never gives up.
    pub max_elapsed_time: Duration,
    /// By how much each wait is longer than the one before.
    pub multiplier: f64,
    /// Share by which a wait is made shorter or longer at random, so that senders do not march in step.
    pub randomization_factor: f64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::ZERO,
            multiplier: 1.5,
            randomization_factor: 0.5,
        }
    }
}

/// How much is put into one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// A request is sent as soon as it has this many items.
    pub items_min: u64,
    /// A request holds no more items than this, unless one received request alone has more. Zero: no bound.
    pub items_max: u64,
    /// A request holds no more bytes than this (before compression), unless one received request alone has more.
    pub bytes_max: usize,
    /// A request is sent after this long, however little it holds.
    pub flush_timeout: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        // gRPC receivers take 4 MiB unless they are told otherwise.
        BatchSettings { items_min: 8192, items_max: 0, bytes_max: 3 << 20, flush_timeout: Duration::from_millis(200) }
    }
}

/// How a request is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which every OTLP server takes.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("https://hooks.example/T0/B0/x");
        assert_eq!(format!("{secret:?} {secret}"), "[masked] [masked]");
        assert!(secret.equals("https://hooks.example/T0/B0/x"));
        assert!(!secret.equals("https://hooks.example/T0/B0/y") && !secret.equals("https"));
    }
}
