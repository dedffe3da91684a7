//! Layer 3: exporters. A folder or file each: configuration, mapping, and what an answer means. Delivery is written once
//! (`delivery/`), and nothing here knows how findings are made.

pub mod datadog;
pub mod debug;
pub mod elasticsearch;
pub mod kinds;
pub mod otlp;
pub mod prometheus;
pub mod remote_write;
pub mod temporality;
