//! Prometheus scrape: what the engine measures and what came in over OTLP, in Prometheus' own text.
//!
//! It prints what a [`ScrapeSource`] gives and knows nothing of where that comes from.

mod accept;
mod families;
mod names;
mod numbers;
mod serve;
mod text;

pub use serve::{PrometheusSettings, ScrapeSource, serve};
