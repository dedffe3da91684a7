//! The embedded configuration, and names of files.

/// The configuration used if there is no file.
pub const EMBEDDED: &str = include_str!("../../../otel-config.yaml");
pub use crate::catalog::component::EMBEDDED_NAME;
/// The file looked up in the working directory.
pub const DEFAULT_FILE: &str = "otel-config.yaml";
