//! The configuration that is built in, and names of files.

/// The configuration that is used where there is no file.
pub const EMBEDDED: &str = include_str!("../../../otel-config.yaml");
/// What faults call it.
pub const EMBEDDED_NAME: &str = "(embedded default)";
/// The file that is looked for in the working directory.
pub const DEFAULT_FILE: &str = "otel-config.yaml";
