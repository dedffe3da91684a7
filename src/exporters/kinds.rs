//! The list of exporter types. Each has a folder, and its line here.

use super::exporter_type::ExporterType;
use super::{datadog, elasticsearch, file, otlp, remote_write};

/// All types of exporters with the shared delivery (`delivery/`).
#[rustfmt::skip]
pub(crate) const ALL: [ExporterType; 7] = [
    otlp::GRPC,
    otlp::HTTP,
    otlp::LOAD_BALANCING,
    datadog::TYPE,
    elasticsearch::TYPE,
    file::TYPE,
    remote_write::TYPE,
];
