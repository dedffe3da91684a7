//! Carries a domain through the steps of a subquery: each step returns, for each value of the domain, the rows that it would
//! return for an outer row with that value.

use super::domain::{Aliases, Domain, MARK};
use super::simple;
use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result, not_impl_err};
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::expr::Sort as Order;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprFunctionExt as _, Filter, Join, JoinType, Limit, LogicalPlan, LogicalPlanBuilder,
    Operator, Projection, Sort, Subquery, SubqueryAlias, Union, Unnest, Values, Window, binary_expr, lit, when,
};
use std::sync::Arc;

/// A plan with the columns of the domain in addition to its own.
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    /// Row number within each domain value, if the plan is sorted.
    place: Option<Column>,
}

const PLACE: &str = "place";

/// Carries a domain through a plan. With `is_lenient`, values for which the plan's aggregate has no rows can be missing.
pub(super) fn pushed(names: &mut Aliases, plan: &LogicalPlan, domain: &Domain, is_lenient: bool) -> Result<Pushed> {
    if domain.is_empty() {
        return Ok(Pushed { plan: plan.clone(), place: None });
    }
    Pushing { names, domain }.step(plan, is_lenient)
}

struct Pushing<'a> {
    names: &'a mut Aliases,
    domain: &'a Domain,
}

impl Pushing<'_> {
    fn step(&mut self, plan: &LogicalPlan, is_lenient: bool) -> Result<Pushed> {
        if !self.reads(plan) && !is_sorted(plan) {
            return unplaced(LogicalPlanBuilder::from(self.domain.plan.clone()).cross_join(plan.clone())?);
        }
        match plan {
            LogicalPlan::Subquery(Subquery { subquery, .. }) => self.step(subquery, is_lenient),
            LogicalPlan::Projection(Projection { expr, input, .. }) => {
                let input = self.step(input, is_lenient)?;
                let named = expr.iter().zip(plan.schema().columns());
                let columns = named.map(|(expression, name)| self.named(expression, name)).collect::<Result<_>>()?;
                self.projected(input, columns)
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, schema, .. }) => {
                let before = input.schema().columns();
                let input = self.step(input, is_lenient)?;
                let named = |(column, (qualifier, field)): (Column, (Option<&_>, &Arc<Field>))| {
                    Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
                };
                let columns = before.into_iter().zip(schema.iter()).map(named).collect();
                self.projected(input, columns)
            }
            LogicalPlan::Filter(Filter { predicate, input, .. }) => {
                let input = self.step(input, false)?;
                let predicate = self.inward(predicate.clone())?.data;
                unplaced(LogicalPlanBuilder::from(input.plan).filter(predicate)?)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, is_lenient),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let pushed = self.step(input, false)?;
                unplaced(self.narrowed(pushed.plan, input.schema())?.distinct()?)
            }
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Union(union) => {
                let input = |input: &Arc<LogicalPlan>| {
                    let pushed = self.step(input, false)?;
                    self.narrowed(pushed.plan, input.schema())?.build()
                };
                let inputs = union.inputs.iter().map(input).collect::<Result<_>>()?;
                self.united(inputs, &union.schema)
            }
            LogicalPlan::Values(Values { schema, values }) => {
                let row = |row: &Vec<Expr>| {
                    let value =
                        |(value, field): (&Expr, &Arc<Field>)| Ok(self.inward(value.clone())?.data.alias(field.name()));
                    let values = row.iter().zip(schema.fields()).map(value).collect::<Result<Vec<_>>>()?;
                    let columns: Vec<Expr> = self.domain.columns().chain(values).collect();
                    LogicalPlanBuilder::from(self.domain.plan.clone()).project(columns)?.build()
                };
                let rows = values.iter().map(row).collect::<Result<_>>()?;
                self.united(rows, schema)
            }
            LogicalPlan::Unnest(Unnest { input, exec_columns, options, .. }) => {
                let input = self.step(input, false)?;
                let input = LogicalPlanBuilder::from(input.plan);
                unplaced(input.unnest_columns_with_options(exec_columns.clone(), options.clone())?)
            }
            LogicalPlan::Join(join) => self.join(join),
            other => not_impl_err!("a subquery that reads the row around it in {}", construct(other)),
        }
    }

    /// Returns whether a plan reads columns of the domain.
    fn reads(&self, plan: &LogicalPlan) -> bool {
        let is_own = |reference: &Expr| matches!(reference, Expr::OuterReferenceColumn(_, column) if self.domain.own(column).is_some());
        simple::references(plan).iter().any(is_own)
    }

    /// Replaces outer columns of an expression by those of the domain.
    fn inward(&self, expression: Expr) -> Result<Transformed<Expr>> {
        expression.transform_up(|part| {
            let own = match &part {
                Expr::OuterReferenceColumn(_, column) => self.domain.own(column),
                _ => None,
            };
            Ok(own.map_or_else(|| Transformed::no(part), Transformed::yes))
        })
    }

    /// Replaces outer columns like [`Pushing::inward`], and keeps the name of the expression.
    fn named(&self, expression: &Expr, name: Column) -> Result<Expr> {
        let changed = self.inward(expression.clone())?;
        Ok(if changed.transformed {
            changed.data.unalias().alias_qualified(name.relation, name.name)
        } else {
            changed.data
        })
    }

    fn projected(&self, input: Pushed, columns: Vec<Expr>) -> Result<Pushed> {
        let place = input.place.clone().map(Expr::Column);
        let columns: Vec<Expr> = self.domain.columns().chain(place).chain(columns).collect();
        let plan = LogicalPlanBuilder::from(input.plan).project(columns)?.build()?;
        Ok(Pushed { plan, place: input.place })
    }

    fn aggregate(&mut self, aggregate: &Aggregate, is_lenient: bool) -> Result<Pushed> {
        let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
        if group_expr.iter().any(|expression| matches!(expression, Expr::GroupingSet(_))) {
            return not_impl_err!("GROUPING SETS in a subquery that reads the row around it");
        }
        let input = self.step(input, false)?;
        let all = group_expr.iter().chain(aggr_expr).zip(schema.columns());
        let mut groups = all.map(|(expression, name)| self.named(expression, name)).collect::<Result<Vec<_>>>()?;
        let aggregates = groups.split_off(group_expr.len());
        let grouped =
            LogicalPlanBuilder::from(input.plan).aggregate(self.domain.columns().chain(groups), aggregates)?;
        if !group_expr.is_empty() || is_lenient {
            return unplaced(grouped);
        }
        // An aggregate without groups returns a row even for no input.
        let alias = self.names.next();
        let mark = Column::new(Some(alias.as_str()), MARK);
        let beside = schema.columns().into_iter().map(Expr::Column);
        let beside = beside.chain([lit(true).alias_qualified(Some(alias.as_str()), MARK)]).collect();
        let (grouped, _) = self.domain.renamed(grouped.build()?, &alias, beside)?;
        let again = self.domain.again(alias)?;
        let all = LogicalPlanBuilder::from(self.domain.plan.clone());
        let all = all.join_on(grouped, JoinType::Left, self.same(&again))?;
        let mut columns: Vec<Expr> = self.domain.columns().collect();
        for (expression, (qualifier, field)) in aggr_expr.iter().zip(schema.iter()) {
            let column = Expr::from((qualifier, field));
            let nothing = simple::default(expression, field.data_type())?;
            columns.push(match &nothing {
                Expr::Literal(value, _) if value.is_null() => column,
                _ => when(Expr::Column(mark.clone()).is_null(), nothing)
                    .otherwise(column)?
                    .alias_qualified(qualifier.cloned(), field.name()),
            });
        }
        unplaced(all.project(columns)?)
    }

    /// Returns the conditions for joining two plans that carry the domain.
    fn same(&self, other: &Domain) -> Vec<Expr> {
        let pairs = self.domain.columns().zip(other.columns());
        pairs.map(|(one, other)| binary_expr(one, Operator::IsNotDistinctFrom, other)).collect()
    }

    /// Adds row numbers within each domain value.
    fn placed(&self, input: LogicalPlan, order: Vec<Order>) -> Result<Pushed> {
        let number = row_number().partition_by(self.domain.columns().collect()).order_by(order).build()?;
        let place = self.domain.beside(PLACE);
        let named = Expr::Column(Column::new_unqualified(number.schema_name().to_string()));
        let named = named.alias_qualified(place.relation.clone(), place.name.as_str());
        let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).chain([named]).collect();
        let plan = LogicalPlanBuilder::from(input).window([number])?.project(columns)?.build()?;
        Ok(Pushed { plan, place: Some(place) })
    }

    fn sort(&mut self, sort: &Sort) -> Result<Pushed> {
        let input = self.step(&sort.input, false)?;
        // The sort replaces an existing order.
        let input = match input.place {
            None => input.plan,
            Some(_) => self.narrowed(input.plan, sort.input.schema())?.build()?,
        };
        let within = |order: &Order| {
            Ok(Order { expr: self.inward(order.expr.clone())?.data, asc: order.asc, nulls_first: order.nulls_first })
        };
        let order = sort.expr.iter().map(within).collect::<Result<_>>()?;
        let placed = self.placed(input, order)?;
        match sort.fetch {
            Some(most) => cut(placed, 0, Some(most)),
            None => Ok(placed),
        }
    }

    /// Projects a plan to the domain's columns and these.
    fn narrowed(&self, plan: LogicalPlan, columns: &DFSchema) -> Result<LogicalPlanBuilder> {
        let columns = columns.columns().into_iter().map(Expr::Column);
        LogicalPlanBuilder::from(plan).project(self.domain.columns().chain(columns).collect::<Vec<_>>())
    }

    fn limit(&mut self, limit: &Limit) -> Result<Pushed> {
        let Some((skip, fetch)) = simple::limits(limit)? else {
            return not_impl_err!("LIMIT or OFFSET by a value of the row around a subquery");
        };
        let input = self.step(&limit.input, false)?;
        let placed = if input.place.is_some() { input } else { self.placed(input.plan, Vec::new())? };
        cut(placed, skip, fetch)
    }

    fn window(&mut self, window: &Window) -> Result<Pushed> {
        let input = self.step(&window.input, false)?;
        let partitioned = |expression: &Expr| {
            let name = expression.schema_name().to_string();
            let changed = self.inward(expression.clone())?.data.unalias().transform_down(|part| {
                let Expr::WindowFunction(mut function) = part else { return Ok(Transformed::no(part)) };
                function.params.partition_by.extend(self.domain.columns());
                Ok(Transformed::yes(Expr::WindowFunction(function)))
            })?;
            Ok(changed.data.alias(name))
        };
        let functions = window.window_expr.iter().map(partitioned).collect::<Result<Vec<_>>>()?;
        unplaced(LogicalPlanBuilder::from(input.plan).window(functions)?)
    }

    /// Creates the union of plans that carry the domain.
    fn united(&self, inputs: Vec<LogicalPlan>, schema: &DFSchema) -> Result<Pushed> {
        let all = match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([only]) => only,
            Err(several) => {
                let several = several.into_iter().map(Arc::new).collect();
                LogicalPlan::Union(Union::try_new_with_loose_types(several)?)
            }
        };
        let own = self.domain.columns().map(|column| column.qualified_name());
        let names = own.chain(schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.name().clone())));
        let named = |(column, (qualifier, name)): (Column, (Option<_>, String))| {
            Expr::Column(column).alias_qualified(qualifier, name)
        };
        let columns: Vec<Expr> = all.schema().columns().into_iter().zip(names).map(named).collect();
        unplaced(LogicalPlanBuilder::from(all).project(columns)?)
    }

    fn join(&mut self, join: &Join) -> Result<Pushed> {
        use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, Right};
        let (left_reads, right_reads) = (self.reads(&join.left), self.reads(&join.right));
        if !matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark | Right) {
            return not_impl_err!("a {} JOIN in a subquery that reads the row around it", join.join_type);
        }
        let by_right = join.join_type == Right || (join.join_type == Inner && right_reads && !left_reads);
        let mut conditions = Vec::new();
        let (left, right) = if by_right {
            let left = if left_reads { self.other(&join.left, &mut conditions)? } else { join.left.as_ref().clone() };
            (left, self.step(&join.right, false)?.plan)
        } else {
            let right =
                if right_reads { self.other(&join.right, &mut conditions)? } else { join.right.as_ref().clone() };
            (self.step(&join.left, false)?.plan, right)
        };
        let mut on = Vec::new();
        for (one, other) in &join.on {
            let (one, other) = (self.inward(one.clone())?, self.inward(other.clone())?);
            if one.transformed || other.transformed {
                conditions.push(one.data.eq(other.data));
            } else {
                on.push((one.data, other.data));
            }
        }
        if let Some(filter) = &join.filter {
            conditions.push(self.inward(filter.clone())?.data);
        }
        let (filter, constraint) = (conditions.into_iter().reduce(Expr::and), join.join_constraint);
        let (left, right, kind) = (Arc::new(left), Arc::new(right), join.join_type);
        let joined = Join::try_new(left, right, on, filter, kind, constraint, join.null_equality, join.null_aware)?;
        unplaced(self.narrowed(LogicalPlan::Join(joined), &join.schema)?)
    }

    /// Carries the domain through the other side of a join, under another name.
    fn other(&mut self, side: &LogicalPlan, conditions: &mut Vec<Expr>) -> Result<LogicalPlan> {
        let again = self.domain.again(self.names.next())?;
        conditions.extend(self.same(&again));
        Ok(Pushing { names: self.names, domain: &again }.step(side, false)?.plan)
    }
}

/// Keeps rows by their row numbers.
fn cut(placed: Pushed, skip: usize, fetch: Option<usize>) -> Result<Pushed> {
    let Some(place) = placed.place else { return Ok(placed) };
    let rows = |rows: usize| lit(i64::try_from(rows).unwrap_or(i64::MAX));
    let number = datafusion::logical_expr::cast(Expr::Column(place.clone()), DataType::Int64);
    let after = (skip > 0).then(|| number.clone().gt(rows(skip)));
    let until = fetch.map(|fetch| number.lt_eq(rows(skip.saturating_add(fetch))));
    let Some(within) = after.into_iter().chain(until).reduce(Expr::and) else {
        return Ok(Pushed { plan: placed.plan, place: Some(place) });
    };
    let plan = LogicalPlanBuilder::from(placed.plan).filter(within)?.build()?;
    Ok(Pushed { plan, place: Some(place) })
}

fn unplaced(plan: LogicalPlanBuilder) -> Result<Pushed> {
    Ok(Pushed { plan: plan.build()?, place: None })
}

/// Returns whether a plan is sorted, which a limit above it depends on.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(Projection { input, .. }) | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => {
            is_sorted(input)
        }
        LogicalPlan::Sort(_) => true,
        _ => false,
    }
}

/// Returns the SQL name of a step, for messages.
fn construct(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Distinct(_) => "SELECT DISTINCT ON".to_owned(),
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".to_owned(),
        other => other.display().to_string().split(':').next().unwrap_or_default().to_owned(),
    }
}
