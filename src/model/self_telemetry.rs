//! Identifiers of Spanwise's own telemetry, for ingest and export.

/// Receiver of own telemetry. Cannot conflict with configured receivers, which are named `otlp` or `otlp/…`.
pub const RECEIVER: &str = "spanwise";

/// Receiver of telemetry derived from other telemetry for exporters. It is not stored as rows.
pub const DERIVED: &str = "performance";

/// Instrumentation scope of own metrics and traces.
pub const SCOPE: &str = "spanwise";

/// Target of the `tracing` spans for units of work. They are exported as own traces and do not appear in the log.
///
/// A field named `error` marks the span as failed.
pub const WORK: &str = "spanwise::work";
