//! Reasons why a request was rejected.

use std::time::Duration;

/// Retry delay for senders when a limit is reached.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A rejected request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is not OTLP; a retry cannot succeed.
    Invalid(String),
    /// It is larger than the limit.
    TooLarge {
        /// Bytes allowed, after decompression.
        limit: usize,
    },
    /// A limit is reached: retry.
    Busy {
        /// When to retry.
        retry_after: Duration,
        /// The limit in words.
        reason: String,
    },
}
