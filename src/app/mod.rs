//! Layer 5: configuration, wiring, command line and own telemetry.

pub mod config;
