//! `spanwise check`: reports all faults of configuration, schemas and pipelines at once.

use super::catalog::{Catalog, Gathered};
use super::config::{self, Config};
use crate::model::fault::Fault;
use crate::model::pipeline::PipelineKind;
use serde_json::json;
use std::path::Path;

/// Result of a check.
#[derive(Debug)]
pub struct Checked {
    /// Name of the file.
    pub file: String,
    /// The configuration, if it has no faults.
    pub config: Option<Config>,
    /// Tables and analyses, as far as they could be read.
    pub catalog: Catalog,
    /// All faults.
    pub faults: Vec<Fault>,
    /// Notes: not faults, but worth knowing.
    pub notes: Vec<String>,
}

/// Checks a file, or the embedded default, and everything that it refers to.
pub async fn check(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Checked {
    let mut faults = Vec::new();
    let config::Read { config, notes } = config::read(path, environment);
    let config = config.map_err(|error| faults.extend(error.0)).ok();
    // A file with faults may still name directories; their faults are reported in the same run.
    let folders = match &config {
        Some(config) => (config.performance.schemas_dir.clone(), config.performance.pipelines_dir.clone()),
        None => config::folders(path, environment),
    };
    let Gathered { catalog, faults: found, complete } = Catalog::gather(folders.0.as_deref(), folders.1.as_deref());
    // Incomplete definitions would cause false faults in others.
    let overrides = config.as_ref().map(|config| config.performance.overrides.clone()).unwrap_or_default();
    let further = if complete { catalog.enabled(&overrides).check(&found).await } else { Vec::new() };
    faults.extend(found);
    faults.extend(further);
    let file = path.map_or_else(|| config::EMBEDDED_NAME.to_owned(), |path| path.display().to_string());
    Checked { file, config, catalog, faults, notes }
}

impl Checked {
    /// Returns true if there are no faults.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// Returns the last line: what was checked, or the number of faults.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let Some(config) = self.config.as_ref().filter(|_| self.is_good()) else {
            return format!("{}: {}", self.file, count(self.faults.len(), "fault", "faults"));
        };
        let exporters = config.targets.len() + config.debug.len() + config.prometheus.len() + config.channels.len();
        let of_kind = |kind| self.catalog.pipelines.iter().filter(|pipeline| pipeline.kind == kind).count();
        let parts = [
            count(config.receivers.len(), "receiver", "receivers"),
            count(exporters, "exporter", "exporters"),
            count(config.performance.budgets.len(), "budget", "budgets"),
            count(config.performance.alerting.len(), "alert limit", "alert limits"),
            count(self.catalog.tables.len(), "table", "tables"),
            count(of_kind(PipelineKind::Rollup), "rollup", "rollups"),
            count(of_kind(PipelineKind::View), "view", "views"),
            count(of_kind(PipelineKind::Finding), "kind of finding", "kinds of findings"),
        ];
        format!("{}: good: {}", self.file, parts.join(", "))
    }

    /// Returns the result as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({"file": self.file, "good": self.is_good(), "faults": self.faults, "notes": self.notes})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_embedded_default_is_good() {
        let checked = check(None, &|_| None).await;
        assert!(checked.is_good(), "{:?}", checked.faults);
        let summary = checked.summary();
        let begin = "(embedded default): good: 1 receiver, 1 exporter, 3 budgets, 0 alert limits, ";
        assert!(summary.starts_with(begin), "{summary}");
    }

    #[tokio::test]
    async fn faults_of_the_file_and_of_what_it_names_come_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipelines = folder.path().join("sql");
        std::fs::create_dir(&pipelines).expect("made");
        std::fs::write(pipelines.join("bad.sql"), "SELECT 1").expect("written");
        let file = folder.path().join("c.yaml");
        let text = format!("connectors: {{performance: {{pipelines: {:?}, intervall: 5s}}}}\n", pipelines.display());
        std::fs::write(&file, text).expect("written");
        let checked = check(Some(&file), &|_| None).await;
        let told: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[1].contains("intervall: unknown key; did you mean \"interval\"?"), "{told:?}");
        assert!(told[0].contains("service: is missing"), "{told:?}");
        assert!(told[2].contains("bad.sql:1: expected the front-matter"), "{told:?}");
        assert!(checked.summary().ends_with("c.yaml: 3 faults"));
        assert_eq!(checked.to_json()["good"], false);
    }
}
