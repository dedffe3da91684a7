//! Properties of subqueries, and which subqueries `DataFusion` converts to joins itself.

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema as _, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, EmptyRelation, Expr, FetchType, Filter, Limit, LogicalPlan, Operator, Projection, Sort,
    Subquery, SubqueryAlias,
};

/// Returns the outer columns that a plan reads.
pub(super) fn references(plan: &LogicalPlan) -> Vec<Expr> {
    let mut found: Vec<Expr> = Vec::new();
    let looked = each_step(plan, |step| {
        // It repeats the references of its own steps.
        if matches!(step, LogicalPlan::Subquery(_)) {
            return Ok(());
        }
        step.apply_expressions(|expression| {
            expression.apply(|part| {
                if matches!(part, Expr::OuterReferenceColumn(..)) && !found.contains(part) {
                    found.push(part.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
        .map(drop)
    });
    debug_assert!(looked.is_ok(), "nothing here fails");
    found
}

/// Returns the references that are columns of `rows`.
pub(super) fn read_of(references: &[Expr], rows: &DFSchema) -> Vec<Column> {
    let column = |reference: &Expr| match reference {
        Expr::OuterReferenceColumn(_, column) if rows.has_column(column) => Some(column.clone()),
        _ => None,
    };
    references.iter().filter_map(column).collect()
}

/// Returns whether a step's expressions contain subqueries.
pub(super) fn has_subquery(step: &LogicalPlan) -> bool {
    let mut found = false;
    let _looked = step.apply_expressions(|expression| {
        found |= expression.exists(|part| Ok(subquery_of(part).is_some()))?;
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Returns whether a condition contains correlated subqueries.
pub(super) fn reads_around(condition: &Expr) -> bool {
    let reads = |part: &Expr| subquery_of(part).is_some_and(|subquery| !references(&subquery.subquery).is_empty());
    condition.exists(|part| Ok(reads(part))).unwrap_or(false)
}

fn subquery_of(part: &Expr) -> Option<&Subquery> {
    match part {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(contains) => Some(&contains.subquery),
        Expr::SetComparison(compares) => Some(&compares.subquery),
        _ => None,
    }
}

/// Returns whether a subquery returns at most one row.
pub(super) fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Sort(Sort { input, .. }) => is_one_row(input),
        LogicalPlan::Aggregate(Aggregate { group_expr, .. }) => group_expr.is_empty(),
        LogicalPlan::Limit(limit) => matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))),
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}

/// Returns the value of an aggregate subquery for no rows, if it does not depend on outer rows; `None` for other subqueries.
pub(super) fn of_nothing(plan: &LogicalPlan) -> Result<Option<Expr>> {
    Ok(all_of_nothing(plan)?.and_then(|values| values.into_iter().next()).map(|(_, value)| value))
}

fn all_of_nothing(plan: &LogicalPlan) -> Result<Option<Vec<(Column, Expr)>>> {
    match plan {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, schema, .. }) => {
            let values = all_of_nothing(input)?;
            Ok(values
                .map(|values| schema.columns().into_iter().zip(values.into_iter().map(|(_, value)| value)).collect()))
        }
        LogicalPlan::Projection(Projection { expr, input, schema, .. }) => {
            let is_outer = |expression: &Expr| expression.contains_outer();
            let Some(known) = all_of_nothing(input)?.filter(|_| !expr.iter().any(is_outer)) else { return Ok(None) };
            let value = |(column, expression): (Column, &Expr)| {
                let value = expression.clone().unalias().transform_up(|part| {
                    let value = match &part {
                        Expr::Column(column) => known.iter().find(|(known, _)| known == column),
                        _ => None,
                    };
                    Ok(match value {
                        Some((_, value)) => Transformed::yes(value.clone()),
                        None => Transformed::no(part),
                    })
                })?;
                Ok((column, value.data))
            };
            schema.columns().into_iter().zip(expr).map(value).collect::<Result<_>>().map(Some)
        }
        LogicalPlan::Aggregate(Aggregate { group_expr, aggr_expr, schema, .. }) if group_expr.is_empty() => {
            let value = |(at, expression): (usize, &Expr)| {
                Ok((Column::from(schema.qualified_field(at)), default(expression, schema.field(at).data_type())?))
            };
            aggr_expr.iter().enumerate().map(value).collect::<Result<_>>().map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns the value of an aggregate for no rows.
pub(super) fn default(aggregate: &Expr, kind: &arrow::datatypes::DataType) -> Result<Expr> {
    match aggregate {
        Expr::Alias(alias) => default(&alias.expr, kind),
        Expr::AggregateFunction(function) => Ok(Expr::Literal(function.func.default_value(kind)?, None)),
        _ => Ok(Expr::Literal(datafusion::common::ScalarValue::try_from(kind)?, None)),
    }
}

/// Returns whether it aggregates rows selected only by equality, which `DataFusion` groups and joins.
pub(super) fn is_scalar(plan: &LogicalPlan, rows: &DFSchema) -> bool {
    match plan {
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            !expr.iter().any(Expr::contains_outer) && is_scalar(input, rows)
        }
        LogicalPlan::Aggregate(Aggregate { group_expr, aggr_expr, input, .. }) => {
            group_expr.is_empty()
                && !aggr_expr.iter().any(Expr::contains_outer)
                && is_filtered(input, rows, is_equality)
        }
        _ => false,
    }
}

/// Returns whether it returns rows selected by conditions, which `DataFusion` joins.
pub(super) fn is_condition(plan: &LogicalPlan, rows: &DFSchema) -> bool {
    match plan {
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            !expr.iter().any(Expr::contains_outer) && is_filtered(input, rows, |_, _| true)
        }
        plan => is_filtered(plan, rows, |_, _| true),
    }
}

fn is_filtered(plan: &LogicalPlan, rows: &DFSchema, may_be: fn(&Expr, &DFSchema) -> bool) -> bool {
    match plan {
        LogicalPlan::Filter(Filter { predicate, input, .. }) => {
            let reads = |part: &&Expr| part.contains_outer();
            let is_near = |part: &Expr| {
                let mut all = true;
                let _looked = part.apply(|part| {
                    all &= !matches!(part, Expr::OuterReferenceColumn(_, column) if !rows.has_column(column));
                    Ok(TreeNodeRecursion::Continue)
                });
                all
            };
            let parts = split_conjunction(predicate);
            parts.into_iter().filter(reads).all(|part| may_be(part, input.schema()) && is_near(part))
                && is_filtered(input, rows, may_be)
        }
        LogicalPlan::EmptyRelation(EmptyRelation { .. }) => true,
        plan => references(plan).is_empty(),
    }
}

/// Returns whether a condition compares a column with an outer column of the same type for equality.
fn is_equality(part: &Expr, schema: &DFSchema) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return false };
    let same = |own: &Expr, outer: &Expr| match (own, outer) {
        (Expr::Column(column), Expr::OuterReferenceColumn(field, _)) => {
            schema.field_from_column(column).is_ok_and(|own| own.data_type() == field.data_type())
        }
        _ => false,
    };
    same(left, right) || same(right, left)
}

/// Returns offset and limit as constants; `None` if they are not constant.
pub(super) fn limits(limit: &Limit) -> Result<Option<(usize, Option<usize>)>> {
    use datafusion::logical_expr::SkipType;
    Ok(match (limit.get_skip_type()?, limit.get_fetch_type()?) {
        (SkipType::Literal(skip), FetchType::Literal(fetch)) => Some((skip, fetch)),
        _ => None,
    })
}

/// Visits all steps of a plan, except those of subqueries in its expressions.
pub(super) fn each_step(plan: &LogicalPlan, mut look: impl FnMut(&LogicalPlan) -> Result<()>) -> Result<()> {
    plan.apply(|step| {
        look(step)?;
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}
