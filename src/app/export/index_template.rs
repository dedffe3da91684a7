//! `spanwise export index-template`.

use crate::exporters::elasticsearch::{ElasticsearchSettings, Mode, index_template};
use crate::exporters::exporter_type::ExporterSettings;

/// Returns the template, as JSON, for the data streams and for the indexes of exporters in mode `ecs`.
pub(in crate::app) fn text(targets: &[ExporterSettings]) -> String {
    let indexes: Vec<_> = targets
        .iter()
        .filter_map(|target| target.of::<ElasticsearchSettings>())
        .filter(|settings| settings.mode == Mode::Ecs)
        .map(|settings| settings.indexes.clone())
        .collect();
    format!("{:#}\n", index_template(&indexes))
}
