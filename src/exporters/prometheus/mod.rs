//! The Prometheus scrape endpoint: engine metrics and received OTLP metrics in Prometheus' own formats.
//!
//! It prints the samples of a [`ScrapeSource`] and knows nothing of their origin. A scrape is named (`families`, `naming`),
//! ordered with the cached labels of the previous scrape (`layout`), and printed (`text`, `proto`).

pub(super) mod names;

mod accept;
mod body;
mod config;
mod escape;
mod exemplars;
mod exposition;
mod families;
mod layout;
mod merge;
mod naming;
mod native;
mod numbers;
mod point;
mod proto;
mod selection;
mod serve;
mod text;

pub(crate) use config::resource_labels;

pub use names::Translation;
pub use selection::Selection;
pub use serve::{PrometheusSettings, ScrapeSource, serve};

use crate::model::scrape::FamilyKind;

/// Returns the scraped name of a metric, without the suffixes of a histogram; `None` if nothing of the name is left.
#[must_use]
pub fn metric_name(
    translation: Translation,
    namespace: &str,
    name: &str,
    unit: &str,
    kind: FamilyKind,
) -> Option<String> {
    Some(translation.family(&translation.namespace(namespace), name, unit, kind)?.full)
}

/// Returns the scraped name of an attribute; `None` if nothing of the name is left.
#[must_use]
pub fn label_name(translation: Translation, name: &str) -> Option<String> {
    Some(translation.label(name)?.into_owned())
}
