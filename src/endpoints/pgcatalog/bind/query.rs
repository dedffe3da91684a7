//! Binds queries: `WITH`, set operations, `ORDER BY`, `LIMIT`.

use super::{At, Binder, Ctes, Scope, Typed, fold};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Body, Cte, Direction, Expr, Query, SetKind, Sort};
use crate::endpoints::pgcatalog::types::{self, Column, Ty};
use crate::endpoints::pgcatalog::value::Value;
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

/// A bound body with its columns, and whether it reads a row of an outer query.
pub(super) struct BoundBody {
    pub(super) body: Body,
    pub(super) columns: Vec<Column>,
    pub(super) correlated: bool,
    /// Set if `ORDER BY` was bound together with the body.
    pub(super) order: Option<Vec<Sort>>,
}

impl Binder<'_> {
    /// Binds a query. Also returns whether it reads a row of an outer query.
    pub(super) fn query(&self, query: &ast::Query, at: At<'_>) -> Result<(Query, bool)> {
        self.deeper(|| self.query_here(query, at))
    }

    fn query_here(&self, query: &ast::Query, at: At<'_>) -> Result<(Query, bool)> {
        let (mut ctes, mut correlated) = (Vec::new(), false);
        let mut named = Ctes { outer: at.ctes, list: Vec::new() };
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let at = At { ctes: Some(&named), ..at };
                let (cte, name, columns) = self.cte(cte, with.recursive, at)?;
                correlated |= cte.correlated;
                named.list.push((name, cte.id, columns));
                ctes.push(cte);
            }
        }
        let at = At { ctes: Some(&named), ..at };
        let bound = self.body(&query.body, order_by(query)?, at)?;
        correlated |= bound.correlated;
        let order = match bound.order {
            Some(order) => order,
            None => order_of_columns(order_by(query)?, &bound.columns)?,
        };
        let (limit, offset) = limits(query)?;
        let scope = Scope::new(at.scope);
        let inner = At { scope: Some(&scope), ..at };
        let bound_limit = |expr: Option<&ast::Expr>| match expr {
            Some(ast::Expr::Value(value)) if value.value == ast::Value::Null => Ok(None),
            Some(expr) => {
                let typed = self.expr(expr, inner)?;
                self.coerce(typed, types::INT8).map(Some)
            }
            None => Ok(None),
        };
        let (limit, offset) = (bound_limit(limit)?, bound_limit(offset)?);
        correlated |= scope.uses_outer.get();
        Ok((Query { ctes, body: bound.body, order, limit, offset, columns: bound.columns }, correlated))
    }

    fn cte(&self, cte: &ast::Cte, recursive: bool, at: At<'_>) -> Result<(Cte, String, Arc<[Column]>)> {
        let (id, name) = (self.next_id(), fold(&cte.alias.name));
        let renamed = |columns: &[Column]| -> Arc<[Column]> { renamed(columns, &cte.alias.columns).into() };
        let arms = match &*cte.query.body {
            ast::SetExpr::SetOperation { op: ast::SetOperator::Union, set_quantifier, left, right } if recursive => {
                let distinct = *set_quantifier != ast::SetQuantifier::All;
                reads(right, &name).then_some((left, right, distinct))
            }
            _ => None,
        };
        let Some((first, again, distinct)) = arms else {
            let (query, correlated) = self.query(&cte.query, at)?;
            let columns = renamed(&query.columns);
            return Ok((Cte { id, query, correlated, recursive: None }, name, columns));
        };
        let (first, mut correlated) = self.arm(first, at)?;
        let columns = renamed(&first.columns);
        let own = Ctes { outer: at.ctes, list: vec![(name.clone(), id, columns.clone())] };
        let (again, again_correlated) = self.arm(again, At { ctes: Some(&own), ..at })?;
        correlated |= again_correlated;
        if again.columns.len() != columns.len() {
            return Err(unequal());
        }
        Ok((Cte { id, query: first, correlated, recursive: Some((Box::new(again), distinct)) }, name, columns))
    }

    fn body(&self, body: &ast::SetExpr, order: &[ast::OrderByExpr], at: At<'_>) -> Result<BoundBody> {
        match body {
            ast::SetExpr::Select(select) => self.select(select, order, at),
            ast::SetExpr::Query(query) => {
                let (query, correlated) = self.query(query, at)?;
                // A parenthesized query keeps its own order and limit.
                let columns = query.columns.clone();
                let nothing = Query { body: Body::Values(Vec::new()), columns: columns.clone(), ..empty() };
                let body =
                    Body::Set { kind: SetKind::Union, all: true, left: Box::new(query), right: Box::new(nothing) };
                Ok(BoundBody { body, columns, correlated, order: None })
            }
            ast::SetExpr::Values(values) => self.values(values, at),
            ast::SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let kind = match op {
                    ast::SetOperator::Union => SetKind::Union,
                    ast::SetOperator::Intersect => SetKind::Intersect,
                    ast::SetOperator::Except | ast::SetOperator::Minus => SetKind::Except,
                };
                let all = *set_quantifier == ast::SetQuantifier::All;
                let (left, left_correlated) = self.arm(left, at)?;
                let (right, right_correlated) = self.arm(right, at)?;
                if left.columns.len() != right.columns.len() {
                    return Err(unequal());
                }
                let column = |(left, right): (&Column, &Column)| Column {
                    name: left.name.clone(),
                    ty: self.joined(left, right),
                };
                let columns = left.columns.iter().zip(&right.columns).map(column).collect();
                let body = Body::Set { kind, all, left: Box::new(left), right: Box::new(right) };
                Ok(BoundBody { body, columns, correlated: left_correlated || right_correlated, order: None })
            }
            ast::SetExpr::Table(table) => {
                let name = table.table_name.clone().unwrap_or_default();
                Err(Fault::unsupported(format!("TABLE {name}: write SELECT * FROM {name}")))
            }
            other => Err(Fault::new("25006", format!("cannot execute {other} in a read-only server"))),
        }
    }

    /// Binds one side of a set operation.
    fn arm(&self, arm: &ast::SetExpr, at: At<'_>) -> Result<(Query, bool)> {
        self.deeper(|| {
            let bound = self.body(arm, &[], at)?;
            Ok((Query { body: bound.body, columns: bound.columns, ..empty() }, bound.correlated))
        })
    }

    fn joined(&self, left: &Column, right: &Column) -> Ty {
        let typed = |column: &Column| Typed::new(Expr::Const(Value::Null), column.ty.clone());
        let (left, right) = (typed(left), typed(right));
        self.common(&[&left, &right])
    }

    fn values(&self, values: &ast::Values, at: At<'_>) -> Result<BoundBody> {
        let scope = Scope::new(at.scope);
        let inner = At { scope: Some(&scope), ..at };
        let mut rows = Vec::new();
        for row in &values.rows {
            rows.push(row.content.iter().map(|expr| self.expr(expr, inner)).collect::<Result<Vec<_>>>()?);
        }
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(Fault::new("42601", "VALUES lists must all be the same length"));
        }
        let mut columns = Vec::new();
        for at in 0..width {
            let all: Vec<&Typed> = rows.iter().map(|row| &row[at]).collect();
            columns.push(Column::new(&format!("column{}", at + 1), self.common(&all)));
        }
        let row = |row: Vec<Typed>| {
            row.into_iter()
                .zip(&columns)
                .map(|(typed, column)| self.coerce(typed, column.ty.oid))
                .collect::<Result<Vec<_>>>()
        };
        let rows = rows.into_iter().map(row).collect::<Result<_>>()?;
        let correlated = scope.uses_outer.get();
        Ok(BoundBody { body: Body::Values(rows), columns, correlated, order: None })
    }
}

/// Binds `ORDER BY` of a set operation: names or numbers of its columns.
fn order_of_columns(order: &[ast::OrderByExpr], columns: &[Column]) -> Result<Vec<Sort>> {
    let sort = |order: &ast::OrderByExpr| {
        let column = match &order.expr {
            ast::Expr::Identifier(ident) => {
                let name = fold(ident);
                columns.iter().position(|column| *column.name == *name).ok_or_else(|| Fault::undefined_column(&name))?
            }
            expr => number(expr, columns.len())?.ok_or_else(|| {
                Fault::new("0A000", "ORDER BY on a UNION/INTERSECT/EXCEPT result must be on one of the result columns")
            })?,
        };
        Ok(Sort { column, direction: direction(order.options) })
    };
    order.iter().map(sort).collect()
}

fn empty() -> Query {
    let body = Body::Values(Vec::new());
    Query { ctes: Vec::new(), body, order: Vec::new(), limit: None, offset: None, columns: Vec::new() }
}

fn unequal() -> Fault {
    Fault::new("42601", "each UNION, INTERSECT or EXCEPT query must have the same number of columns")
}

/// Renames columns by an alias.
pub(super) fn renamed(columns: &[Column], names: &[ast::TableAliasColumnDef]) -> Vec<Column> {
    let name = |at: usize, column: &Column| match names.get(at) {
        Some(alias) => Column { name: fold(&alias.name).into(), ty: column.ty.clone() },
        None => column.clone(),
    };
    columns.iter().enumerate().map(|(at, column)| name(at, column)).collect()
}

/// Returns the column that an integer in `ORDER BY` or `GROUP BY` refers to.
pub(super) fn number(expr: &ast::Expr, columns: usize) -> Result<Option<usize>> {
    let ast::Expr::Value(value) = expr else { return Ok(None) };
    let ast::Value::Number(number, _) = &value.value else { return Ok(None) };
    match number.parse::<usize>() {
        Ok(place) if (1..=columns).contains(&place) => Ok(Some(place - 1)),
        _ => Err(Fault::new("42P10", format!("ORDER BY position {number} is not in select list"))),
    }
}

pub(super) fn direction(options: ast::OrderByOptions) -> Direction {
    let descending = options.asc == Some(false);
    Direction { descending, nulls_first: options.nulls_first.unwrap_or(descending) }
}

fn order_by(query: &ast::Query) -> Result<&[ast::OrderByExpr]> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        None => Ok(&[]),
        Some(ast::OrderByKind::Expressions(order)) => Ok(order),
        Some(ast::OrderByKind::All(_)) => Err(Fault::unsupported("ORDER BY ALL")),
    }
}

fn limits(query: &ast::Query) -> Result<(Option<&ast::Expr>, Option<&ast::Expr>)> {
    let fetch = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref());
    match &query.limit_clause {
        None => Ok((fetch, None)),
        Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
            Ok((limit.as_ref().or(fetch), offset.as_ref().map(|offset| &offset.value)))
        }
        Some(ast::LimitClause::OffsetCommaLimit { .. }) => {
            Err(Fault::new("42601", "LIMIT #,# syntax is not supported: use separate LIMIT and OFFSET clauses"))
        }
    }
}

/// Returns whether a query reads a name of `WITH`.
fn reads(body: &ast::SetExpr, name: &str) -> bool {
    let flow = ast::visit_relations(body, |relation| match relation.0.as_slice() {
        [part] if part.as_ident().is_some_and(|ident| fold(ident) == name) => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    });
    flow.is_break()
}
