//! The embedded configuration, and names of files.

/// The configuration used if there is no file.
pub const EMBEDDED: &str = include_str!("../../../otel-config.yaml");
/// Its name in faults.
pub const EMBEDDED_NAME: &str = "(embedded default)";
/// The file looked up in the working directory.
pub const DEFAULT_FILE: &str = "otel-config.yaml";
