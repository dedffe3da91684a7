//! OTLP over gRPC and HTTP: two encodings of the same requests, with the same admission.

pub mod grpc;
pub mod http;

mod body_limits;
mod cors;
mod status;

pub use body_limits::DoorSettings;
pub use cors::CorsSettings;

use crate::model::secret::Secret;

#[cfg(test)]
mod tests;

/// Returns whether the request carries the token that the listener requires, if it requires one.
fn allowed(token: Option<&Secret>, headers: &::http::HeaderMap) -> bool {
    token.is_none_or(|token| token.is_borne_by(headers))
}
