//! Layer 3: exporters. Each is a folder or file with its configuration, its mapping, and the meaning of a target's responses.
//! Delivery is shared (`delivery/`), and nothing here knows how findings are made.

pub mod datadog;
pub mod debug;
pub mod elasticsearch;
pub mod exporter_type;
pub mod file;
pub mod kinds;
pub mod otlp;
pub mod prometheus;
pub mod remote_write;
pub mod temporality;
