//! Layer 2: what leaves the process. A folder or file a target; delivery is written once. It does not know how findings are made.

pub mod alerts;
pub mod attributes;
pub mod datadog;
pub mod dead_letters;
pub mod debug;
pub mod delivery;
pub mod elasticsearch;
pub mod otlp;
pub mod processors;
pub mod prometheus;
pub mod remote_write;
pub mod settings;
pub mod state_store;
pub mod stats;
pub mod targets;
pub mod temporality;
pub mod tls;

mod go_json;
mod web;
