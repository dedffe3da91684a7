//! Spanwise: a performance monitor for OpenTelemetry.
//!
//! Layers, lowest first: each layer depends only on lower ones (`src/README.md` is the map, a test checks it).

pub mod model;

pub mod catalog;
pub mod log;
pub mod net;
pub mod state;
pub mod statements;

pub mod delivery;
pub mod ingest;
pub mod store;

pub mod alerts;
pub mod engine;
pub mod exporters;

pub mod demo;
pub mod endpoints;

pub mod app;
