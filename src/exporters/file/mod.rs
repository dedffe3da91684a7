//! The file exporter: writes telemetry to a file, as OTLP JSON or protobuf, with rotation. The files are those of the Collector's
//! `file` exporter, and its `otlpjsonfile` receiver reads them.

mod config;
mod json;
mod settings;
mod target;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use config::TYPE;
pub use settings::{FileFormat, FileSettings, Rotation};
