//! OTLP over gRPC and HTTP: two wrappings of the same bytes, led to the same door.

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

/// Whether the request carries the token that the listener asks for, where it asks for one.
fn allowed(token: Option<&Secret>, headers: &::http::HeaderMap) -> bool {
    token.is_none_or(|token| token.is_borne_by(headers))
}
