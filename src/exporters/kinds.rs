//! The list of exporter types. Each is a folder, and one line here.

use super::exporter_type::ExporterType;
use super::{datadog, elasticsearch, file, otlp, remote_write};

/// All types of exporters that read the log.
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
