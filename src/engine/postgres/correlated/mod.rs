//! Correlated subqueries that `DataFusion` cannot convert to joins: aggregates over a range (`WHERE t2.b < t.b`),
//! `ORDER BY … LIMIT`, `EXISTS` among the columns, `LATERAL` over tables.
//!
//! Such a subquery is run once for all outer rows. The distinct values that it reads from them form a table, the *domain*. The
//! domain is joined to the relations of the subquery and carried through its steps (`pushed.rs`), so that the result has rows
//! for each of its values. The result is then joined to the outer rows. See Neumann and Kemper, "Unnesting Arbitrary Queries".
//!
//! Subqueries that `DataFusion` supports (equality, `EXISTS` in conditions) are left to it, because its joins read the rows
//! only once.

mod domain;
mod only_row;
mod pushed;
mod simple;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue, not_impl_err};
use datafusion::functions_aggregate::count::count;
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Expr, Join, JoinConstraint, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr, lit, when,
};
use domain::{Aliases, Domain, MARK};
use std::sync::Arc;

/// Returns the plan without such subqueries.
pub(super) fn decorrelated(plan: LogicalPlan) -> Result<LogicalPlan> {
    Decorrelator::default().plan(typed(plan)?)
}

/// Updates the types of outer columns in subqueries to the current ones.
pub(super) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.map_children(|plan| typed(plan).map(Transformed::yes))?.data;
    if !simple::has_subquery(&plan) {
        return Ok(plan);
    }
    let around = merge_schema(&plan.inputs());
    plan.map_subqueries(|plan| typed(within(plan, &around)?).map(Transformed::yes))?.data.recompute_schema()
}

/// Updates a subquery of rows with these columns.
fn within(plan: LogicalPlan, around: &DFSchema) -> Result<LogicalPlan> {
    let plan = plan.map_children(|plan| within(plan, around).map(Transformed::yes))?.data;
    let known = |part: Expr| {
        Ok(match part {
            Expr::OuterReferenceColumn(field, column) => match around.qualified_field_from_column(&column) {
                Ok((_, now)) => Transformed::yes(Expr::OuterReferenceColumn(now.clone(), column)),
                Err(_) => Transformed::no(Expr::OuterReferenceColumn(field, column)),
            },
            other => Transformed::no(other),
        })
    };
    plan.map_expressions(|expression| expression.transform_up(known))?.data.recompute_schema()
}

/// Replaces correlated subqueries.
#[derive(Default)]
struct Decorrelator(Aliases);

/// Additional result columns of a subquery.
const VALUE: &str = "value";
const COUNT: &str = "count";
const MATCHED: &str = "matched";
const UNKNOWN: &str = "unknown";

impl Decorrelator {
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_subqueries(|plan| self.plan(plan).map(Transformed::yes))?.data;
        let plan = plan.map_children(|plan| self.plan(plan).map(Transformed::yes))?.data;
        match plan {
            LogicalPlan::Subquery(Subquery { subquery, spans, .. }) => {
                let outer_ref_columns = simple::references(&subquery);
                Ok(LogicalPlan::Subquery(Subquery { subquery, outer_ref_columns, spans }))
            }
            LogicalPlan::Join(join) => match self.lateral(join)? {
                LogicalPlan::Join(join) => self.condition(join),
                other => Ok(other),
            },
            plan if plan.inputs().len() == 1 => self.node(plan),
            plan => Ok(plan),
        }
    }

    /// Rewrites a join in which the right side reads the left side.
    fn lateral(&mut self, join: Join) -> Result<LogicalPlan> {
        let read = simple::read_of(&simple::references(&join.right), join.left.schema());
        if read.is_empty() {
            return Ok(LogicalPlan::Join(join));
        }
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return not_impl_err!("LATERAL on the right of a {} JOIN", join.join_type.to_string().to_uppercase());
        }
        let domain = Domain::new(self.0.next(), &join.left, read, None)?;
        let right = pushed::pushed(&mut self.0, &join.right, &domain, false)?;
        let beside = right.plan.schema().columns().into_iter().filter(|column| !domain.has(column)).map(Expr::Column);
        let beside = beside.collect();
        let (right, on) = domain.renamed(right.plan, &self.0.next(), beside)?;
        let equal = join.on.into_iter().map(|(left, right)| left.eq(right));
        let filter = equal.chain(join.filter).reduce(Expr::and);
        let columns: Vec<Expr> = join.schema.iter().map(Expr::from).collect();
        let left = join.left;
        LogicalPlanBuilder::from(joined(left, right, on, filter, join.join_type)?).project(columns)?.build()
    }

    /// Rewrites a join with subqueries in its condition.
    fn condition(&mut self, mut join: Join) -> Result<LogicalPlan> {
        if !join.filter.as_ref().is_some_and(simple::reads_around) {
            return Ok(LogicalPlan::Join(join));
        }
        if join.join_type != JoinType::Inner {
            return not_impl_err!("a subquery that reads the row around it in the condition of an outer JOIN");
        }
        let filter = join.filter.take();
        let plan = LogicalPlanBuilder::from(LogicalPlan::Join(join));
        self.node(filter.into_iter().try_fold(plan, LogicalPlanBuilder::filter)?.build()?)
    }

    /// Rewrites a step with subqueries in its expressions: they become columns of its input.
    fn node(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let before = plan.inputs().into_iter().next().cloned();
        let Some(before) = before.filter(|_| simple::has_subquery(&plan)) else { return Ok(plan) };
        let columns: Vec<Expr> = plan.schema().iter().map(Expr::from).collect();
        let keeps_columns = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_));
        let (is_filter, is_projection) =
            (matches!(plan, LogicalPlan::Filter(_)), matches!(plan, LogicalPlan::Projection(_)));
        let mut rows = Rows { before: &before, now: before.clone(), is_filter, is_projection };
        let names = NamePreserver::new(&plan);
        let plan = plan
            .map_expressions(|expression| {
                let name = names.save(&expression);
                let changed = expression.transform_up(|expression| self.replaced(expression, &mut rows))?;
                Ok(changed.update_data(|expression| name.restore(expression)))
            })?
            .data;
        let input = rows.now;
        if input == before {
            return Ok(plan);
        }
        let plan = plan.map_children(|_| Ok(Transformed::yes(input.clone())))?.data.recompute_schema()?;
        if keeps_columns { LogicalPlanBuilder::from(plan).project(columns)?.build() } else { Ok(plan) }
    }

    fn replaced(&mut self, expression: Expr, rows: &mut Rows<'_>) -> Result<Transformed<Expr>> {
        let value = match &expression {
            Expr::ScalarSubquery(subquery) => self.scalar(&subquery.subquery, rows)?,
            Expr::Exists(Exists { subquery, negated }) => self.exists(&subquery.subquery, *negated, rows)?,
            Expr::InSubquery(of) => self.contains(of, rows)?,
            Expr::SetComparison(of) => self.compares(of, rows)?,
            _ => None,
        };
        Ok(value.map_or_else(|| Transformed::no(expression), Transformed::yes))
    }

    fn scalar(&mut self, subquery: &LogicalPlan, rows: &mut Rows<'_>) -> Result<Option<Expr>> {
        let references = simple::references(subquery);
        let is_left = (rows.is_filter || rows.is_projection) && simple::is_scalar(subquery, rows.before.schema());
        if references.is_empty() || is_left {
            return Ok(None);
        }
        let read = simple::read_of(&references, rows.before.schema());
        let domain = Domain::new(self.0.next(), rows.before, read, None)?;
        // The value for no rows is known in advance, or it is NULL.
        let nothing = simple::of_nothing(subquery)?;
        let answer = pushed::pushed(&mut self.0, subquery, &domain, nothing.is_some())?;
        let value = last_column(subquery)?;
        let plan = if simple::is_one_row(subquery) {
            let columns = domain.columns().chain([value.alias(VALUE), lit(true).alias(MARK)]);
            LogicalPlanBuilder::from(answer.plan).project(columns.collect::<Vec<_>>())?.build()?
        } else {
            let all = [first_value(value, Vec::new()).alias(VALUE), count(lit(1_i64)).alias(COUNT)];
            let counted = LogicalPlanBuilder::from(answer.plan).aggregate(domain.columns(), all)?;
            let one = only_row::only_row(of(VALUE), of(COUNT)).alias(VALUE);
            counted.project(domain.columns().chain([one, lit(true).alias(MARK)]).collect::<Vec<_>>())?.build()?
        };
        let table = rows.join(&domain, plan, self.0.next(), &[VALUE, MARK])?;
        let found = column(&table, VALUE);
        Ok(Some(match nothing.filter(|nothing| !matches!(nothing, Expr::Literal(value, _) if value.is_null())) {
            Some(nothing) => when(column(&table, MARK).is_null(), nothing).otherwise(found)?,
            None => found,
        }))
    }

    fn exists(&mut self, subquery: &LogicalPlan, negated: bool, rows: &mut Rows<'_>) -> Result<Option<Expr>> {
        if rows.is_filter && simple::is_condition(subquery, rows.before.schema()) {
            return Ok(None);
        }
        let read = simple::read_of(&simple::references(subquery), rows.before.schema());
        let domain = Domain::new(self.0.next(), rows.before, read, None)?;
        let answer = pushed::pushed(&mut self.0, subquery, &domain, false)?;
        let found = LogicalPlanBuilder::from(answer.plan);
        let columns: Vec<Expr> = domain.columns().chain([lit(true).alias(MARK)]).collect();
        let plan = found.project(columns)?.distinct()?.build()?;
        let table = rows.join(&domain, plan, self.0.next(), &[MARK])?;
        let mark = column(&table, MARK);
        Ok(Some(if negated { mark.is_null() } else { mark.is_not_null() }))
    }

    /// Rewrites `x IN (…)` as `x = ANY (…)`.
    fn contains(&mut self, of_subquery: &InSubquery, rows: &mut Rows<'_>) -> Result<Option<Expr>> {
        let InSubquery { expr, subquery, negated } = of_subquery;
        let is_condition = simple::is_condition(&subquery.subquery, rows.before.schema());
        if rows.is_filter && is_condition && (!negated || simple::references(&subquery.subquery).is_empty()) {
            return Ok(None);
        }
        let found = self.any(expr, &subquery.subquery, rows, Expr::eq)?;
        Ok(Some(if *negated { Expr::Not(Box::new(found)) } else { found }))
    }

    /// Rewrites `x op ANY (…)` and `x op ALL (…)`; the latter is true if no row violates it.
    fn compares(&mut self, of_subquery: &SetComparison, rows: &mut Rows<'_>) -> Result<Option<Expr>> {
        let SetComparison { expr, subquery, op, quantifier } = of_subquery;
        let negated = *quantifier == SetQuantifier::All;
        if matches!((op, quantifier), (Operator::Eq, SetQuantifier::Any) | (Operator::NotEq, SetQuantifier::All)) {
            let contains = InSubquery::new(expr.clone(), subquery.clone(), negated);
            let found = self.contains(&contains, rows)?;
            return Ok(Some(found.unwrap_or(Expr::InSubquery(contains))));
        }
        let compared = |value: Expr, item: Expr| {
            let holds = binary_expr(value, *op, item);
            if negated { Expr::Not(Box::new(holds)) } else { holds }
        };
        let found = self.any(expr, &subquery.subquery, rows, compared)?;
        Ok(Some(if negated { Expr::Not(Box::new(found)) } else { found }))
    }

    /// Returns whether `holds` is true for a value and any row of a subquery: true if it is, else NULL if it is NULL for a row.
    fn any(
        &mut self,
        value: &Expr,
        subquery: &LogicalPlan,
        rows: &mut Rows<'_>,
        holds: impl FnOnce(Expr, Expr) -> Expr,
    ) -> Result<Expr> {
        let read = simple::read_of(&simple::references(subquery), rows.before.schema());
        let is_plain = value.column_refs().iter().all(|column| rows.before.schema().has_column(column));
        let from = if is_plain { rows.before.clone() } else { rows.now.clone() };
        let domain = Domain::new(self.0.next(), &from, read, Some(value.clone()))?;
        let answer = pushed::pushed(&mut self.0, subquery, &domain, false)?;
        let holds = holds(domain.operand(), last_column(subquery)?);
        let counted = [
            count(when(holds.clone(), lit(1_i64)).end()?).alias(MATCHED),
            count(when(holds.is_null(), lit(1_i64)).end()?).alias(UNKNOWN),
        ];
        let plan = LogicalPlanBuilder::from(answer.plan).aggregate(domain.columns(), counted)?.build()?;
        let table = rows.join(&domain, plan, self.0.next(), &[MATCHED, UNKNOWN])?;
        let is_there = |name: &str| column(&table, name).gt(lit(0_i64));
        when(is_there(MATCHED), lit(true))
            .when(is_there(UNKNOWN), lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))
    }
}

/// The outer rows of subqueries.
struct Rows<'a> {
    /// The input before any replacement.
    before: &'a LogicalPlan,
    /// The input joined with the results of subqueries so far.
    now: LogicalPlan,
    is_filter: bool,
    is_projection: bool,
}

impl Rows<'_> {
    /// Joins columns of a subquery's result; returns their table name.
    fn join(&mut self, domain: &Domain, answer: LogicalPlan, alias: String, columns: &[&str]) -> Result<String> {
        let beside = columns.iter().map(|name| of(name).alias_qualified(Some(alias.as_str()), *name)).collect();
        let (answer, on) = domain.renamed(answer, &alias, beside)?;
        self.now = joined(Arc::new(self.now.clone()), answer, on, None, JoinType::Left)?;
        Ok(alias)
    }
}

fn joined(
    left: Arc<LogicalPlan>,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    join_type: JoinType,
) -> Result<LogicalPlan> {
    let filter =
        if on.is_empty() && filter.is_none() && join_type == JoinType::Left { Some(lit(true)) } else { filter };
    let (constraint, nulls) = (JoinConstraint::On, NullEquality::NullEqualsNull);
    let join = Join::try_new(left, Arc::new(right), on, filter, join_type, constraint, nulls, false)?;
    Ok(LogicalPlan::Join(join))
}

fn of(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn column(table: &str, name: &str) -> Expr {
    Expr::Column(Column::new(Some(table), name))
}

/// Returns the single column of a subquery.
fn last_column(subquery: &LogicalPlan) -> Result<Expr> {
    if let [only] = subquery.schema().columns().as_slice() {
        Ok(Expr::Column(only.clone()))
    } else {
        not_impl_err!("a subquery of more than one column as a value")
    }
}
