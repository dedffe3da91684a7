//! Prometheus scrape: what the engine measures and what came in over OTLP, in Prometheus' own formats.
//!
//! It prints what a [`ScrapeSource`] gives and knows nothing of where that comes from. A scrape is named
//! ([`families`], [`naming`]), put in order with the labels of the scrape before ([`layout`]), and printed ([`text`],
//! [`proto`]).

mod accept;
mod body;
mod escape;
mod exemplars;
mod exposition;
mod families;
mod layout;
mod merge;
mod names;
mod naming;
mod native;
mod numbers;
mod proto;
mod selection;
mod serve;
mod text;

pub use names::Translation;
pub use selection::Selection;
pub use serve::{PrometheusSettings, ScrapeSource, serve};
