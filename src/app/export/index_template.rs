//! `spanwise export index-template`.

use crate::exporters::elasticsearch::{Mode, index_template};
use crate::exporters::kinds::{ExporterKind, ExporterSettings};

/// Returns the template, as JSON, for the data streams and for the indexes of exporters in mode `ecs`.
pub(in crate::app) fn text(targets: &[ExporterSettings]) -> String {
    let indexes: Vec<_> = targets
        .iter()
        .filter_map(|target| match &target.kind {
            ExporterKind::Elasticsearch(settings) if settings.mode == Mode::Ecs => Some(settings.indexes.clone()),
            _ => None,
        })
        .collect();
    format!("{:#}\n", index_template(&indexes))
}
