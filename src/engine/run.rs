//! Running a pipeline's statement: parameters are bound, never pasted, and what it read is counted.

use super::outcome::Outcome;
use super::query::yielding;
use super::swap_table::Repeated;
use crate::model::pipeline::{Param, PipelineDef};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// A moment and the window before it, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Where it begins.
    pub start_ms: i64,
    /// Where it ends, exclusive.
    pub end_ms: i64,
}

/// A statement that was planned once and runs often, each time over what its tables then hold.
pub(crate) struct Statement {
    context: SessionContext,
    plan: LogicalPlan,
    /// What its first run left for the next ones.
    repeated: OnceLock<Option<Repeated>>,
}

impl Statement {
    /// Plans a statement without parameters.
    pub(crate) async fn plan(context: &SessionContext, sql: &str) -> Result<Statement> {
        let plan = context.state().create_logical_plan(sql).await?;
        Ok(Statement { context: context.clone(), plan, repeated: OnceLock::new() })
    }

    /// Plans a pipeline's statement.
    pub(crate) async fn of(context: &SessionContext, pipeline: &PipelineDef) -> Result<Statement> {
        Statement::plan(context, &pipeline.sql).await
    }

    /// The statement with its parameters bound.
    pub(crate) fn bind(&self, params: &BTreeMap<String, Param>, window: Option<Window>) -> Result<Statement> {
        let plan = self.plan.clone().with_param_values(param_values(params, window))?;
        Ok(Statement { context: self.context.clone(), plan, repeated: OnceLock::new() })
    }

    /// Whether it was planned in this session, and so reads its tables.
    pub(crate) fn is_in(&self, context: &SessionContext) -> bool {
        self.context.session_id() == context.session_id()
    }

    /// The names under which it reads, among them views.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.plan)
    }

    /// Whether it reads one of these tables, be it through views.
    pub(crate) fn reads_any(&self, tables: &[String]) -> bool {
        let reads = |node: &LogicalPlan| match node {
            LogicalPlan::TableScan(scan) => tables.iter().any(|table| table == scan.table_name.table()),
            _ => false,
        };
        let mut found = false;
        let _never_fails = self.plan.apply_with_subqueries(|node| {
            found |= reads(node);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        });
        found
    }

    /// The columns that it gives.
    pub(crate) fn columns(&self) -> Vec<(String, DataType)> {
        let fields = self.plan.schema().fields().iter();
        fields.map(|field| (field.name().clone(), field.data_type().clone())).collect()
    }

    /// Runs it.
    pub(crate) async fn run(&self) -> Result<Outcome> {
        if let Some(Some(repeated)) = self.repeated.get() {
            return repeated.run(self.context.task_ctx()).await;
        }
        let state = self.context.state();
        let task = state.task_ctx();
        let plan = state.create_physical_plan(&self.plan).await?;
        if self.repeated.get().is_none() {
            // Whoever comes second made the same.
            let _kept = self.repeated.set(Repeated::of(&self.plan, &plan)?);
        }
        if let Some(Some(repeated)) = self.repeated.get() {
            return repeated.run(task).await;
        }
        // So that a timeout can end it.
        let batches = collect(yielding(plan.clone())?, task).await?;
        Ok(Outcome { batches, rows_read: rows_read(&plan) })
    }
}

/// The names that a plan gives to what it reads; a view stands in it under its own, and is part of it from there on.
pub(crate) fn names(plan: &LogicalPlan) -> Vec<String> {
    let mut names = Vec::new();
    let _never_fails = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::SubqueryAlias(alias) = node {
            names.push(alias.alias.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    names
}

/// Plans and runs a pipeline's statement.
pub(crate) async fn run(
    context: &SessionContext,
    pipeline: &PipelineDef,
    params: &BTreeMap<String, Param>,
    window: Option<Window>,
) -> Result<Outcome> {
    Statement::of(context, pipeline).await?.bind(params, window)?.run().await
}

/// Rows that the leaves of a plan hold: every one of them is read.
pub(crate) fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return leaf_rows(plan).unwrap_or_default() as u64;
    }
    children.into_iter().map(rows_read).sum()
}

fn leaf_rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let source: &dyn Any = plan.downcast_ref::<DataSourceExec>()?.data_source().as_ref();
    let memory = source.downcast_ref::<MemorySourceConfig>()?;
    Some(memory.partitions().iter().flatten().map(RecordBatch::num_rows).sum())
}

/// Parameters and the window as a plan takes them.
pub(crate) fn param_values(params: &BTreeMap<String, Param>, window: Option<Window>) -> ParamValues {
    ParamValues::from(values(params, window).into_iter().collect::<HashMap<_, _>>())
}

fn values(params: &BTreeMap<String, Param>, window: Option<Window>) -> Vec<(String, ScalarValue)> {
    let own = params.iter().map(|(name, param)| (name.clone(), scalar(param)));
    let window = window.into_iter().flat_map(|window| {
        [("window_start", window.start_ms), ("window_end", window.end_ms)]
            .map(|(name, ms)| (name.to_owned(), timestamp(ms)))
    });
    own.chain(window).collect()
}

fn scalar(param: &Param) -> ScalarValue {
    match param {
        Param::Int(number) => ScalarValue::from(*number),
        Param::Float(number) => ScalarValue::from(*number),
        Param::Text(text) => ScalarValue::from(text.as_str()),
        Param::Bool(truth) => ScalarValue::from(*truth),
    }
}

fn timestamp(ms: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(ms.saturating_mul(1000)), Some("UTC".into()))
}

/// The statement as a person would type it, with the parameters written out.
pub(crate) fn readable(pipeline: &PipelineDef, params: &BTreeMap<String, Param>, window: Window) -> String {
    let mut sql = pipeline.sql.clone();
    let mut names: Vec<(String, String)> = params
        .iter()
        .map(|(name, param)| {
            let text = match param {
                Param::Int(number) => number.to_string(),
                Param::Float(number) => format!("{number:?}"),
                Param::Text(text) => format!("'{}'", text.replace('\'', "''")),
                Param::Bool(truth) => truth.to_string(),
            };
            (format!("${name}"), text)
        })
        .collect();
    for (name, ms) in [("$window_start", window.start_ms), ("$window_end", window.end_ms)] {
        names.push((name.to_owned(), format!("to_timestamp_millis({ms})")));
    }
    // Longest first, so that no name is taken for the beginning of another.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, text) in names {
        sql = sql.replace(&name, &text);
    }
    sql
}
