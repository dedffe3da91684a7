//! Runs the examples of a pipeline as tests: input rows, and expected rows or states.

mod compare;
mod given;

#[cfg(test)]
pub(super) use given::derive;

#[cfg(test)]
mod tests;

use super::error_text::line;
use super::findings::{Evaluator, EvaluatorSettings};
use super::functions;
use super::needs;
use super::outcome::json_rows;
use super::run::{Window, run};
use crate::model::budget::AlertLimit;
use crate::model::fault::Fault;
use crate::model::pipeline::{Example, ExampleRows, PipelineDef, PipelineKind};
use crate::model::table::TableDef;
use datafusion::prelude::SessionContext;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Runs all examples of a pipeline. Returns a fault for each unexpected result.
pub async fn run_examples(pipeline: &PipelineDef, tables: &[TableDef]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for example in &pipeline.examples {
        if let Err(message) = run_example(pipeline, example, tables).await {
            let key = format!("example {:?}", example.name);
            faults.push(Fault::new(&pipeline.file, example.line, key, message));
        }
    }
    faults
}

async fn run_example(pipeline: &PipelineDef, example: &Example, tables: &[TableDef]) -> Result<(), String> {
    let context = context(tables)?;
    if pipeline.kind == PipelineKind::Finding {
        functions::register_judging(&context);
    }
    for (name, rows) in &example.given {
        given::register(&context, tables, pipeline.kind, name, rows)?;
    }
    let found = match pipeline.kind {
        PipelineKind::Finding => judged(pipeline, &context, example).await?,
        // As in a flush.
        PipelineKind::Rollup if !has_input(pipeline, &context).await? => ExampleRows::new(),
        PipelineKind::Rollup | PipelineKind::View => {
            let window = Window { start_ms: example.now_ms - pipeline.window_ms, end_ms: example.now_ms };
            let outcome = run(&context, pipeline, &pipeline.params, Some(window)).await;
            json_rows(&outcome.map_err(|error| line(&error))?.batches).map_err(|error| line(&error))?
        }
    };
    compare::compare(&example.expect, &found)
}

/// Returns whether a flush of the given rows would run the rollup.
async fn has_input(pipeline: &PipelineDef, context: &SessionContext) -> Result<bool, String> {
    for table in &pipeline.reads {
        let rows = context.table(format!("new_{table}")).await.map_err(|error| line(&error))?;
        if needs::is_met(&pipeline.needs, &rows.collect().await.map_err(|error| line(&error))?) {
            return Ok(true);
        }
    }
    Ok(pipeline.reads.is_empty())
}

/// Creates a session with every table, empty, as pipelines see them.
pub(crate) fn context(tables: &[TableDef]) -> Result<SessionContext, String> {
    let context = SessionContext::new();
    functions::register(&context);
    for table in tables {
        for (name, schema) in given::views_of(table) {
            let empty = arrow::record_batch::RecordBatch::new_empty(schema);
            context.register_batch(&name, empty).map_err(|error| line(&error))?;
        }
    }
    Ok(context)
}

async fn judged(pipeline: &PipelineDef, context: &SessionContext, example: &Example) -> Result<ExampleRows, String> {
    let settings = EvaluatorSettings {
        lag_ms: 0,
        timeout: Duration::from_mins(1),
        alerting: alerting(pipeline, example)?,
        overrides: BTreeMap::new(),
        budgets: Vec::new(),
    };
    let mut evaluator = Evaluator::new(std::slice::from_ref(pipeline), settings, &[]);
    let evaluation = evaluator.evaluate(context, example.now_ms).await;
    if let Some(error) = evaluation.runs.into_iter().find_map(|run| run.error) {
        return Err(error);
    }
    // An expectation may also name any column of the evidence.
    let row = |finding: crate::model::finding::Finding| {
        let mut row = finding.evidence.columns();
        row.extend(finding.key.iter().map(|(column, value)| (column.clone(), Value::from(value.as_str()))));
        for (name, value) in [
            ("state", serde_json::to_value(finding.state)),
            ("severity", serde_json::to_value(finding.severity)),
            ("value", serde_json::to_value(finding.value)),
            ("limit", serde_json::to_value(finding.limit)),
        ] {
            row.insert(name.to_owned(), value.unwrap_or_default());
        }
        row
    };
    Ok(evaluation.findings.into_iter().map(row).collect())
}

/// Returns the limits that an example sets as a user would.
fn alerting(pipeline: &PipelineDef, example: &Example) -> Result<Vec<AlertLimit>, String> {
    let Some(limits) = example.alerting else { return Ok(Vec::new()) };
    let Some(key) = pipeline.finding.as_ref().and_then(|finding| finding.alerting.clone()) else {
        return Err("alerting: the pipeline names no key of `alerting` whose limits these could be".to_owned());
    };
    Ok(vec![AlertLimit { key, warning: limits.warning, critical: limits.critical, window_ms: None }])
}
