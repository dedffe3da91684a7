//! `LATERAL` joins with a side that reads no table: `FROM t, LATERAL (SELECT t.a * 10)`, `FROM t, generate_series(1, t.a)`.
//! They become the other side with additional columns, or with unnested rows.

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, Result, TableReference};
use datafusion::logical_expr::{
    EmptyRelation, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Subquery, SubqueryAlias, Unnest,
};

/// Replaces such joins in a plan.
pub(super) fn flattened(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        if join.join_type != JoinType::Inner || !join.on.is_empty() || join.filter.is_some() {
            return Ok(Transformed::no(plan));
        }
        match steps(&join.right) {
            Some(steps) if steps.iter().any(|step| step.contains_outer_reference()) => {
                let flat = applied(join.left.as_ref().clone(), &steps)?;
                Ok(Transformed::yes(flat))
            }
            _ => Ok(Transformed::no(plan)),
        }
    })
    .map(|plan| plan.data)
}

/// Returns the steps applied to one row without columns, first step first; `None` if a table is read.
fn steps(plan: &LogicalPlan) -> Option<Vec<&LogicalPlan>> {
    let (mut found, mut at) = (Vec::new(), plan);
    loop {
        match at {
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) => break,
            LogicalPlan::Subquery(Subquery { subquery, .. }) => at = subquery,
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
            | LogicalPlan::Projection(Projection { input, .. })
            | LogicalPlan::Unnest(Unnest { input, .. }) => {
                found.push(at);
                at = input;
            }
            _ => return None,
        }
    }
    found.reverse();
    Some(found)
}

/// Applies the steps to each row of a plan, and keeps its columns.
fn applied(left: LogicalPlan, steps: &[&LogicalPlan]) -> Result<LogicalPlan> {
    let kept: Vec<Expr> = left.schema().iter().map(Expr::from).collect();
    let mut plan = left;
    // Columns of the steps so far: their current names, and the names that the next step uses.
    let mut names: Vec<(Column, Column)> = Vec::new();
    for step in steps {
        match step {
            LogicalPlan::Projection(projection) => {
                let mut columns = kept.clone();
                let mut next = Vec::new();
                for (expression, (qualifier, field)) in projection.expr.iter().zip(projection.schema.iter()) {
                    let own = Column::new(Some(TableReference::bare(OWN)), field.name());
                    let inner = inward(expression.clone().unalias(), &names)?;
                    columns.push(inner.alias_qualified(own.relation.clone(), own.name.clone()));
                    next.push((own, Column::new(qualifier.cloned(), field.name())));
                }
                plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
                names = next;
            }
            LogicalPlan::Unnest(unnest) => {
                let columns: Vec<Column> = unnest.exec_columns.iter().map(|column| own(column, &names)).collect();
                plan = LogicalPlanBuilder::from(plan)
                    .unnest_columns_with_options(columns, unnest.options.clone())?
                    .build()?;
                let made: Vec<Column> = plan.schema().columns().split_off(kept.len());
                let called =
                    unnest.schema.iter().map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name()));
                names = made.into_iter().zip(called).collect();
            }
            LogicalPlan::SubqueryAlias(alias) => {
                names = names
                    .into_iter()
                    .zip(alias.schema.iter())
                    .map(|((own, _), (qualifier, field))| (own, Column::new(qualifier.cloned(), field.name())))
                    .collect();
            }
            _ => {}
        }
    }
    let last = names.into_iter().map(|(own, called)| Expr::Column(own).alias_qualified(called.relation, called.name));
    LogicalPlanBuilder::from(plan).project(kept.into_iter().chain(last))?.build()
}

/// Qualifier of columns created by the steps.
const OWN: &str = "spanwise_lateral";

fn own(column: &Column, names: &[(Column, Column)]) -> Column {
    let known = names.iter().find(|(_, called)| called.name == column.name);
    known.map_or_else(|| column.clone(), |(own, _)| own.clone())
}

/// Replaces outer columns of an expression by the plan's own.
fn inward(expression: Expr, names: &[(Column, Column)]) -> Result<Expr> {
    let changed = expression.transform_up(|expression| {
        Ok(match expression {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            Expr::Column(column) => Transformed::yes(Expr::Column(own(&column, names))),
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}
