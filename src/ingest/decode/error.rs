//! Error of a request that was not decoded.

/// A request that cannot be read at all; nothing of it is kept. HTTP 400, `INVALID_ARGUMENT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What was found where, and what was expected.
    pub message: String,
}

impl DecodeError {
    pub(crate) fn new(message: impl Into<String>) -> DecodeError {
        DecodeError { message: message.into() }
    }
}
