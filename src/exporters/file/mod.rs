//! The file exporter: writes requests to a file, as OTLP JSON or protobuf, with rotation. The format of the files is that of the
//! Collector's `file` exporter.

mod config;
mod json;
mod settings;
mod target;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use config::TYPE;
pub use settings::{FileFormat, FileSettings, Rotation};
