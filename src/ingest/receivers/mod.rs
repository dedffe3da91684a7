//! OTLP over gRPC and HTTP: two wrappings of the same bytes, led to the same door.

pub mod grpc;
pub mod http;

mod door;
mod status;

pub use door::DoorSettings;

#[cfg(test)]
mod tests;

/// Whether the request carries the token that the listener asks for; compared in constant time.
fn allowed(token: Option<&str>, headers: &::http::HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let found = headers.get(::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let found = found.strip_prefix("Bearer ").unwrap_or_default();
    // The digests are compared, so neither length nor a common beginning shows in the time it takes.
    let digest = |text: &str| xxhash_rust::xxh3::xxh3_128_with_seed(text.as_bytes(), 0x5370_616e);
    let differing = digest(found) ^ digest(token);
    differing == 0 && found.len() == token.len()
}
