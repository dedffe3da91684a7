//! Why a request was not taken.

use std::time::Duration;

/// What a sender is told to wait when a bound is reached.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It can never be taken: not OTLP.
    Invalid(String),
    /// It is larger than the limit.
    TooLarge {
        /// Bytes allowed, after decompression.
        limit: usize,
    },
    /// A bound is reached: send again.
    Busy {
        /// When to send again.
        retry_after: Duration,
        /// Which bound, for people.
        reason: String,
    },
}
