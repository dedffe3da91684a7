//! Layer 5: configuration, wiring, command line and own telemetry.

pub mod catalog;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
mod definitions;
pub mod demo;
mod derived;
pub mod docs;
pub mod logging;
mod memory_bound;
mod memory_table;
pub mod rules;
pub mod server;
pub mod show;
pub mod shutdown;

mod backup;
mod export;
mod exporter_frames;
mod exporters;
mod feed;
mod folder;
mod frames;
mod intake;
mod listeners;
mod query_worker;
mod reload;
mod replay;
mod services;
mod telemetry;
