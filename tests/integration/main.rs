//! End-to-end tests: the program itself, with real clients and real targets.
//!
//! `tests/run` installs the peers and sets the variables that lead to them; a test fails with a message if its peer is missing.

// The whole crate is test code, where a failed `unwrap` is a failed test.
#![cfg(test)]
#![expect(clippy::float_cmp, reason = "what is counted is expected exactly")]

mod support;

#[path = "../../benches/corpus/generator.rs"]
mod corpus;

mod alerts;
mod backup;
mod bad_input;
mod balancing;
mod chain;
mod check;
mod clients;
mod collector;
mod contract;
mod datadog_findings;
mod datadog_hosts;
mod datadog_keys;
mod datadog_logs;
mod datadog_metrics;
mod datadog_traces;
mod demo;
mod doors;
mod durability;
mod exporters;
mod exposition;
mod failing;
mod fence;
mod file;
mod formats;
mod forward;
mod layers;
mod odd_values;
mod opensearch;
mod operations;
mod oracle;
mod outage;
mod own;
mod own_rollup;
mod package;
mod prometheus;
mod protocol;
mod query_memory;
mod reload;
mod remote_write;
mod rules;
mod sdks;
mod span_metrics;
mod sql;
mod start;
mod tls;
mod truth;
mod unknown_start;
mod upgrade;
mod wire;
