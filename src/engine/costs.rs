//! Cost of each pipeline since the start, for the table `pipelines`.

use super::findings::PipelineRun;
use super::tables::{StateRows, object};
use super::worker::Finished;
use crate::model::pipeline::{PipelineDef, PipelineKind};
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records on a tracing span how many pipelines ran and which of them failed.
pub(crate) fn note(work: &tracing::Span, ran: &str, runs: &[PipelineRun]) {
    work.record(ran, runs.len());
    let failed: Vec<&str> = runs.iter().filter(|run| run.error.is_some()).map(|run| run.id.as_str()).collect();
    if !failed.is_empty() {
        let failed = failed.join(", ");
        work.record("failed", &failed).record("error", format!("failed: {failed}"));
    }
}

/// Costs by pipeline; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Costs(Arc<Mutex<BTreeMap<String, Cost>>>);

/// Cost of one pipeline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    pub(crate) runs: u64,
    pub(crate) rows_read: u64,
    pub(crate) rows_written: u64,
    pub(crate) milliseconds: f64,
    pub(crate) failures: u64,
    last_error: Option<String>,
}

impl Costs {
    /// Adds a run. Logs an error unless it equals the pipeline's last one.
    pub(crate) fn add(&self, run: PipelineRun) {
        let mut costs = self.costs();
        let cost = costs.entry(run.id.clone()).or_default();
        cost.runs += 1;
        cost.rows_read += run.rows_read;
        cost.rows_written += run.rows_written;
        cost.milliseconds += run.milliseconds;
        if let Some(error) = run.error {
            cost.failures += 1;
            if cost.last_error.as_ref() != Some(&error) {
                tracing::error!(pipeline = run.id, error, "a pipeline failed; it is tried again");
            }
            cost.last_error = Some(error);
        }
    }

    /// Adds the cost of a query to each view that it read.
    pub(crate) fn add_views(&self, pipelines: &[PipelineDef], query: &Finished) {
        let is_view =
            |pipeline: &&PipelineDef| pipeline.kind == PipelineKind::View && query.views.contains(&pipeline.id);
        for view in pipelines.iter().filter(is_view) {
            self.add(PipelineRun {
                id: view.id.clone(),
                rows_read: query.rows_read,
                rows_written: query.rows,
                milliseconds: query.took.as_secs_f64() * 1000.0,
                error: None,
            });
        }
    }

    /// Returns the costs of every pipeline that ran.
    pub(crate) fn all(&self) -> BTreeMap<String, Cost> {
        self.costs().clone()
    }

    /// Returns the rows of the table `pipelines`.
    pub(crate) fn rows(&self, pipelines: &[PipelineDef]) -> StateRows {
        let costs = self.costs();
        let row = |pipeline: &PipelineDef| {
            let cost = costs.get(&pipeline.id).cloned().unwrap_or_default();
            object(json!({
                "id": pipeline.id, "kind": kind(pipeline.kind), "title": pipeline.title,
                "runs": cost.runs, "rows_read": cost.rows_read, "rows_written": cost.rows_written,
                "milliseconds": cost.milliseconds, "failures": cost.failures, "last_error": cost.last_error,
            }))
        };
        pipelines.iter().map(row).collect()
    }

    fn costs(&self) -> MutexGuard<'_, BTreeMap<String, Cost>> {
        self.0.lock()
    }
}

pub(crate) fn kind(kind: PipelineKind) -> &'static str {
    match kind {
        PipelineKind::Rollup => "rollup",
        PipelineKind::View => "view",
        PipelineKind::Finding => "finding",
    }
}
