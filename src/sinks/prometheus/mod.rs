//! Prometheus scrape: what the engine measures and what came in over OTLP, in Prometheus' own text.
//!
//! It prints what a [`ScrapeSource`] gives and knows nothing of where that comes from.

pub(super) mod names;

mod accept;
mod families;
mod numbers;
mod serve;
mod text;

pub use names::Translation;
pub use serve::{PrometheusSettings, ScrapeSource, serve};
