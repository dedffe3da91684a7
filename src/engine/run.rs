//! Runs the statement of a pipeline with bound parameters, and counts the rows that it read.

use super::outcome::Outcome;
use super::query::yielding;
use super::swap_table::{Repeated, is_immutable};
use crate::model::pipeline::{Param, PipelineDef};
use crate::store::SnapshotTable;
use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};
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
    /// Whether the plan was optimized before its parameters were bound.
    is_optimized: bool,
    /// The physical plan of the first run, if later runs can reuse it.
    repeated: OnceLock<Option<Repeated>>,
}

impl Statement {
    /// Plans a statement without parameters.
    pub(crate) async fn plan(context: &SessionContext, sql: &str) -> Result<Statement> {
        let plan = context.state().create_logical_plan(sql).await?;
        Ok(Statement { context: context.clone(), plan, is_optimized: false, repeated: OnceLock::new() })
    }

    /// Plans and optimizes a statement whose parameters are bound often: each time to other values, but of the same types.
    /// Optimizing costs more than most of these statements take to run.
    pub(crate) async fn optimized(
        context: &SessionContext,
        sql: &str,
        params: &BTreeMap<String, Param>,
    ) -> Result<Statement> {
        let state = context.state();
        let plan = state.create_logical_plan(sql).await?;
        if !is_immutable(&plan)? {
            // The optimizer would replace now() by the current time, once and for all.
            return Ok(Statement { context: context.clone(), plan, is_optimized: false, repeated: OnceLock::new() });
        }
        let any = Window { start_ms: 0, end_ms: 0 };
        let plan = state.optimize(&typed(plan, &values(params, Some(any)))?)?;
        Ok(Statement { context: context.clone(), plan, is_optimized: true, repeated: OnceLock::new() })
    }

    /// Plans the statement of a pipeline.
    pub(crate) async fn of(context: &SessionContext, pipeline: &PipelineDef) -> Result<Statement> {
        Statement::plan(context, &pipeline.sql).await
    }

    /// Returns the statement with bound parameters.
    pub(crate) fn bind(&self, params: &BTreeMap<String, Param>, window: Option<Window>) -> Result<Statement> {
        let plan = self.plan.clone().with_param_values(param_values(params, window))?;
        let is_optimized = self.is_optimized;
        Ok(Statement { context: self.context.clone(), plan, is_optimized, repeated: OnceLock::new() })
    }

    /// Returns whether it was planned in this session, and so reads the session's tables.
    pub(crate) fn is_in(&self, context: &SessionContext) -> bool {
        self.context.session_id() == context.session_id()
    }

    /// Names of the tables and views that it reads.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.plan)
    }

    /// Returns whether its plan was optimized before its parameters were bound.
    #[cfg(test)]
    pub(crate) fn is_optimized(&self) -> bool {
        self.is_optimized
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

    async fn physical_plan(&self, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.is_optimized {
            return state.create_physical_plan(&self.plan).await;
        }
        // Only what depends on the values is left: `$window_end - INTERVAL '1 hour'` must be a literal for the scan, and what
        // reads no rows costs nothing.
        let optimize = |rule: Arc<dyn OptimizerRule + Send + Sync>, plan| {
            Optimizer::with_rules(vec![rule]).optimize(plan, state, |_, _| {})
        };
        let plan = optimize(Arc::new(SimplifyExpressions::new()), self.plan.clone())?;
        let plan = optimize(Arc::new(PropagateEmptyRelation::new()), without_empty_scans(plan)?)?;
        state.query_planner().create_physical_plan(&plan, state).await
    }

    /// Runs the statement.
    pub(crate) async fn run(&self) -> Result<Outcome> {
        if let Some(Some(repeated)) = self.repeated.get() {
            return repeated.run(self.context.task_ctx()).await;
        }
        let state = self.context.state();
        let task = state.task_ctx();
        let plan = self.physical_plan(&state).await?;
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

/// Replaces the scans of tables that have no row for them.
fn without_empty_scans(plan: LogicalPlan) -> Result<LogicalPlan> {
    let empty = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        // Rows of state tables are computed at each scan.
        let table = provider.downcast_ref::<SnapshotTable>().filter(|table| table.time_column().is_some());
        if !table.is_some_and(|table| table.holds_none(&scan.filters)) {
            return Ok(Transformed::no(node));
        }
        let schema = scan.projected_schema.clone();
        Ok(Transformed::yes(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })))
    });
    Ok(empty?.data)
}

/// Sets the types of the parameters, so that a plan can be optimized without their values.
fn typed(plan: LogicalPlan, values: &[(String, ScalarValue)]) -> Result<LogicalPlan> {
    let of = |id: &str| values.iter().find(|(name, _)| id.strip_prefix('$') == Some(name)).map(|(_, value)| value);
    let set = |expression: Expr| match expression {
        Expr::Placeholder(Placeholder { id, field }) => {
            let field = of(&id).map(|value| Arc::new(Field::new("", value.data_type(), true))).or(field);
            Ok(Transformed::yes(Expr::Placeholder(Placeholder { id, field })))
        }
        other => Ok(Transformed::no(other)),
    };
    let typed = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(expression.transform_up(set)?.update_data(|expression| name.restore(expression)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    });
    Ok(typed?.data)
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
