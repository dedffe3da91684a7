//! The sketch of durations: a sparse OpenTelemetry exponential histogram.
