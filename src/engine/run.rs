//! Runs the statement of a pipeline with bound parameters, and counts the rows that it read.

use super::outcome::Outcome;
use super::query::yielding;
use super::swap_table::Repeated;
use crate::model::pipeline::{Param, PipelineDef};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// A time window, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Start, inclusive.
    pub start_ms: i64,
    /// End, exclusive.
    pub end_ms: i64,
}

/// A statement that is planned once and runs often, each time over the current rows of its tables.
pub(crate) struct Statement {
    context: SessionContext,
    plan: LogicalPlan,
    /// The physical plan of the first run, if later runs can reuse it.
    repeated: OnceLock<Option<Repeated>>,
}

impl Statement {
    /// Plans a statement without parameters.
    pub(crate) async fn plan(context: &SessionContext, sql: &str) -> Result<Statement> {
        let plan = context.state().create_logical_plan(sql).await?;
        Ok(Statement { context: context.clone(), plan, repeated: OnceLock::new() })
    }

    /// Plans the statement of a pipeline.
    pub(crate) async fn of(context: &SessionContext, pipeline: &PipelineDef) -> Result<Statement> {
        Statement::plan(context, &pipeline.sql).await
    }

    /// Returns the statement with bound parameters.
    pub(crate) fn bind(&self, params: &BTreeMap<String, Param>, window: Option<Window>) -> Result<Statement> {
        let plan = self.plan.clone().with_param_values(param_values(params, window))?;
        Ok(Statement { context: self.context.clone(), plan, repeated: OnceLock::new() })
    }

    /// Returns whether it was planned in this session, and so reads the session's tables.
    pub(crate) fn is_in(&self, context: &SessionContext) -> bool {
        self.context.session_id() == context.session_id()
    }

    /// Names of the tables and views that it reads.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.plan)
    }

    /// Returns whether it reads one of these tables, directly or through views.
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

    /// Names and types of its columns.
    pub(crate) fn columns(&self) -> Vec<(String, DataType)> {
        let fields = self.plan.schema().fields().iter();
        fields.map(|field| (field.name().clone(), field.data_type().clone())).collect()
    }

    /// Runs the statement.
    pub(crate) async fn run(&self) -> Result<Outcome> {
        if let Some(Some(repeated)) = self.repeated.get() {
            return repeated.run(self.context.task_ctx()).await;
        }
        let state = self.context.state();
        let task = state.task_ctx();
        let plan = state.create_physical_plan(&self.plan).await?;
        if self.repeated.get().is_none() {
            // If another run was faster, its plan is identical.
            let _kept = self.repeated.set(Repeated::of(&self.plan, &plan)?);
        }
        if let Some(Some(repeated)) = self.repeated.get() {
            return repeated.run(task).await;
        }
        // Yields regularly, so that a timeout can stop it.
        let batches = collect(yielding(plan.clone())?, task).await?;
        Ok(Outcome { batches, rows_read: rows_read(&plan) })
    }
}

/// Returns the names of the relations that a plan reads: a view has an alias, and its own plan is inlined below it.
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

/// Plans and runs the statement of a pipeline.
pub(crate) async fn run(
    context: &SessionContext,
    pipeline: &PipelineDef,
    params: &BTreeMap<String, Param>,
    window: Option<Window>,
) -> Result<Outcome> {
    Statement::of(context, pipeline).await?.bind(params, window)?.run().await
}

/// Number of rows in the leaves of a plan, all of which are read.
pub(crate) fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return leaf_rows(plan).unwrap_or_default() as u64;
    }
    children.into_iter().map(rows_read).sum()
}

fn leaf_rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let source = plan.downcast_ref::<DataSourceExec>()?.data_source();
    source.partition_statistics(None).ok()?.num_rows.get_value().copied()
}

/// Converts parameters and the window to the parameter values of a plan.
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

/// Returns the statement with the parameters replaced by literals, to be read and run by a person.
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
    // Longest names first, because a name may be the prefix of another.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, text) in names {
        sql = sql.replace(&name, &text);
    }
    sql
}
