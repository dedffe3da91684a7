//! What came in goes on over OTLP, as it was received.

mod settings;

pub use settings::{OtlpSettings, Protocol};
