//! Layer 0: plain types shared by all other layers. No I/O, no async.

pub mod budget;
pub mod decoded;
pub mod distinct;
pub mod evidence;
pub mod exponential;
pub mod fault;
pub mod finding;
pub mod frame;
pub mod hex;
pub mod null_columns;
pub(crate) mod panics;
pub mod pem;
pub mod pipeline;
pub mod protobuf;
pub mod scrape;
pub mod secret;
pub mod self_telemetry;
pub mod shown;
pub mod signal;
pub mod sketch;
pub mod table;
pub mod tracestate;
pub mod units;
pub mod unix_time;
pub mod wording;
