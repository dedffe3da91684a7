//! Prometheus scrape: what the engine measures and what came in over OTLP, in Prometheus' own formats.
//!
//! It prints what a [`ScrapeSource`] gives and knows nothing of where that comes from. A scrape is named
//! (`families`, `naming`), put in order with the labels of the scrape before (`layout`), and printed (`text`,
//! `proto`).

pub(super) mod names;

mod accept;
mod body;
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

pub use names::Translation;
pub use selection::Selection;
pub use serve::{PrometheusSettings, ScrapeSource, serve};

use crate::model::scrape::FamilyKind;

/// The name under which the scrape shows a metric, without the suffixes of a histogram; `None` where nothing of it would
/// be left.
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

/// The name under which the scrape shows an attribute; `None` where nothing of it would be left.
#[must_use]
pub fn label_name(translation: Translation, name: &str) -> Option<String> {
    Some(translation.label(name)?.into_owned())
}
