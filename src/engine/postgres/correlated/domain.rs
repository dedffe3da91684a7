//! The distinct values that a subquery reads from outer rows, as a table.

use super::simple::each_step;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, Result, not_impl_err};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Sort};
use std::sync::Arc;

/// Column that marks an existing row of a result.
pub(super) const MARK: &str = "mark";
/// Column for the left operand of `x IN (…)`.
const OPERAND: &str = "operand";

/// Generates table names that no statement uses.
#[derive(Default)]
pub(super) struct Aliases(usize);

impl Aliases {
    pub(super) fn next(&mut self) -> String {
        self.0 += 1;
        format!("spanwise_outer_{}", self.0)
    }
}

pub(super) struct Domain {
    /// Name of the table.
    alias: String,
    /// Expressions over the outer rows, with their column names in the domain.
    values: Vec<(Expr, String)>,
    pub(super) plan: LogicalPlan,
}

impl Domain {
    /// Creates the domain of the columns that are read, and of the left operand of an `IN`.
    pub(super) fn new(alias: String, rows: &LogicalPlan, read: Vec<Column>, operand: Option<Expr>) -> Result<Domain> {
        let mut values: Vec<(Expr, String)> =
            read.into_iter().enumerate().map(|(at, column)| (Expr::Column(column), format!("c{at}"))).collect();
        values.extend(operand.map(|operand| (operand, OPERAND.to_owned())));
        if values.is_empty() {
            let schema = Arc::new(DFSchema::empty());
            let plan = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema });
            return Ok(Domain { alias, values, plan });
        }
        // The outer rows are read twice, so both reads must return the same rows.
        if !is_repeatable(rows)? {
            return not_impl_err!(
                "a subquery that reads the row around it, where that comes out of a LIMIT or a random function"
            );
        }
        let named = |(value, name): &(Expr, String)| value.clone().alias_qualified(Some(alias.as_str()), name.as_str());
        let columns: Vec<Expr> = values.iter().map(named).collect();
        let plan = LogicalPlanBuilder::from(rows.clone()).project(columns)?.distinct()?.build()?;
        Ok(Domain { alias, values, plan })
    }

    /// Creates a copy of the domain under another table name.
    pub(super) fn again(&self, alias: String) -> Result<Domain> {
        let columns: Vec<Expr> = self.columns_as(&alias).collect();
        let plan = if columns.is_empty() {
            self.plan.clone()
        } else {
            LogicalPlanBuilder::from(self.plan.clone()).project(columns)?.build()?
        };
        Ok(Domain { alias, values: self.values.clone(), plan })
    }

    /// Returns an additional column with the domain's qualifier.
    pub(super) fn beside(&self, name: &str) -> Column {
        Column::new(Some(self.alias.clone()), name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns its columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = Expr> + '_ {
        self.values.iter().map(|(_, name)| self.column(name))
    }

    pub(super) fn operand(&self) -> Expr {
        self.column(OPERAND)
    }

    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.alias.clone()), name))
    }

    /// Returns the domain's column for a column of the outer rows.
    pub(super) fn own(&self, outer: &Column) -> Option<Expr> {
        let is = |value: &Expr| matches!(value, Expr::Column(column) if column == outer);
        self.values.iter().find(|(value, name)| name != OPERAND && is(value)).map(|(_, name)| self.column(name))
    }

    /// Returns whether a column belongs to the domain.
    pub(super) fn has(&self, column: &Column) -> bool {
        column.relation.as_ref().is_some_and(|table| table.table() == self.alias)
    }

    /// Projects a result to the domain's columns under another table name and additional columns. Also returns the pairs to be
    /// equal in the join with the outer rows.
    pub(super) fn renamed(
        &self,
        answer: LogicalPlan,
        alias: &str,
        beside: Vec<Expr>,
    ) -> Result<(LogicalPlan, Vec<(Expr, Expr)>)> {
        let columns: Vec<Expr> = self.columns_as(alias).chain(beside).collect();
        let answer = LogicalPlanBuilder::from(answer).project(columns)?.build()?;
        let own =
            |(value, name): &(Expr, String)| (value.clone(), Expr::Column(Column::new(Some(alias), name.as_str())));
        Ok((answer, self.values.iter().map(own).collect()))
    }

    /// Returns its columns under another table name.
    fn columns_as<'a>(&'a self, alias: &'a str) -> impl Iterator<Item = Expr> + 'a {
        self.values.iter().map(move |(_, name)| self.column(name).alias_qualified(Some(alias), name.as_str()))
    }
}

/// Returns whether reading the rows again returns the same rows.
fn is_repeatable(rows: &LogicalPlan) -> Result<bool> {
    let mut is = true;
    each_step(rows, |step| {
        is &= !matches!(step, LogicalPlan::Limit(_) | LogicalPlan::Extension(_));
        is &= !matches!(step, LogicalPlan::Sort(Sort { fetch: Some(_), .. }));
        step.apply_expressions(|expression| {
            is &= !expression.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
        .map(drop)
    })?;
    Ok(is)
}
