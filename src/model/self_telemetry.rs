//! What Spanwise's own telemetry is known by, on its way in and out.

/// The receiver that it comes in by. No receiver of a configuration has this name: they are `otlp` or `otlp/…`.
pub const RECEIVER: &str = "spanwise";

/// The receiver of what is derived from the others, on its way to exporters. It becomes no rows.
pub const DERIVED: &str = "performance";

/// The instrumentation scope of own metrics and traces.
pub const SCOPE: &str = "spanwise";

/// Target of the `tracing` spans around units of work. They become own traces, and stand in no line of the process's log.
///
/// A field of the name `error` makes the span one that failed.
pub const WORK: &str = "spanwise::work";
