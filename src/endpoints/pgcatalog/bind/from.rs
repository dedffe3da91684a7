//! Binds `FROM`: relations, functions, subqueries and joins.

use super::place::{Condition, Pieces};
use super::query::renamed;
use super::{At, Binder, ITEMS_MAX, Item, Scope, Typed, fold, qualified};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::functions::{self, Types};
use crate::endpoints::pgcatalog::plan::{Expr, Op, RowsOf, Source, Step, Subquery};
use crate::endpoints::pgcatalog::snapshot::Relation;
use crate::endpoints::pgcatalog::types::{self, Column};
use datafusion::sql::sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn from(&self, from: &[ast::TableWithJoins], scope: &Scope<'_>, at: At<'_>) -> Result<Pieces> {
        let mut pieces = Pieces::default();
        for table in from {
            pieces.join(self.table_with_joins(table, scope, at)?);
        }
        Ok(pieces)
    }

    fn table_with_joins(&self, table: &ast::TableWithJoins, scope: &Scope<'_>, at: At<'_>) -> Result<Pieces> {
        let first = scope.items.borrow().len();
        let mut pieces = self.factor(&table.relation, scope, at)?;
        for join in &table.joins {
            let right_first = scope.items.borrow().len();
            let right = self.factor(&join.relation, scope, at)?;
            let (kind, constraint) = kind(&join.join_operator)?;
            let conditions = self.constraint(constraint, (first, right_first), scope, at)?;
            match kind {
                Kind::Inner => {
                    pieces.join(right);
                    pieces.conditions.extend(conditions);
                }
                Kind::Left => pieces.left(right, conditions),
                Kind::Right => {
                    let mut all = right;
                    all.left(pieces, conditions);
                    pieces = all;
                }
                Kind::Full => pieces = Pieces::full(pieces, right, conditions)?,
            }
        }
        Ok(pieces)
    }

    /// Binds the conditions of a join between items that start at these positions of the scope.
    fn constraint(
        &self,
        constraint: &JoinConstraint,
        (left, right): (usize, usize),
        scope: &Scope<'_>,
        at: At<'_>,
    ) -> Result<Vec<Condition>> {
        let mut conditions = Vec::new();
        let names: Vec<String> = match constraint {
            JoinConstraint::None => Vec::new(),
            JoinConstraint::On(expr) => {
                self.conditions(expr, scope, at, &mut conditions)?;
                return Ok(conditions);
            }
            JoinConstraint::Using(names) => {
                names.iter().map(|name| qualified(name).map(|(_, name)| name)).collect::<Result<_>>()?
            }
            JoinConstraint::Natural => {
                let items = scope.items.borrow();
                let has = |item: &Item, name: &str| item.columns.iter().any(|column| &*column.name == name);
                let columns = items[right..].iter().flat_map(|item| item.columns.iter());
                let both = columns.filter(|column| items[left..right].iter().any(|item| has(item, &column.name)));
                both.map(|column| column.name.to_string()).collect()
            }
        };
        for name in names {
            let (Some(a), Some(b)) = (of_items(scope, left..right, &name), of_items(scope, right..usize::MAX, &name))
            else {
                let message = format!("column \"{name}\" specified in USING clause does not exist in both tables");
                return Err(Fault::new("42703", message));
            };
            let (a_bit, b_bit) = (1 << a.1, 1 << b.1);
            let (expr, other) = self.comparable(a.0, b.0, "=")?;
            conditions.push(Condition {
                expr: Expr::Binary(Op::Eq, Box::new(expr.clone()), Box::new(other.clone())),
                needs: a_bit | b_bit,
                equal: Some(((expr, a_bit), (other, b_bit))),
            });
            let mut items = scope.items.borrow_mut();
            for item in &mut items[right..] {
                if let Some(column) = item.columns.iter().position(|column| *column.name == *name) {
                    item.merged.resize(item.columns.len(), false);
                    item.merged[column] = true;
                }
            }
        }
        Ok(conditions)
    }

    /// Splits a condition at `AND`.
    pub(super) fn conditions(
        &self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        at: At<'_>,
        conditions: &mut Vec<Condition>,
    ) -> Result<()> {
        match expr {
            ast::Expr::Nested(inner) => self.conditions(inner, scope, at, conditions),
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
                self.conditions(left, scope, at, conditions)?;
                self.conditions(right, scope, at, conditions)
            }
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => {
                let (left, left_needs) = scope.touched_by(|| self.expr(left, at))?;
                let (right, right_needs) = scope.touched_by(|| self.expr(right, at))?;
                let (left, right) = self.comparable(left, right, "=")?;
                conditions.push(Condition {
                    expr: Expr::Binary(Op::Eq, Box::new(left.clone()), Box::new(right.clone())),
                    needs: left_needs | right_needs,
                    equal: Some(((left, left_needs), (right, right_needs))),
                });
                Ok(())
            }
            expr => {
                let (typed, needs) = scope.touched_by(|| self.expr(expr, at))?;
                conditions.push(Condition { expr: self.boolean(typed)?, needs, equal: None });
                Ok(())
            }
        }
    }

    fn factor(&self, factor: &TableFactor, scope: &Scope<'_>, at: At<'_>) -> Result<Pieces> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.relation(name, alias.as_ref(), scope, at),
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.table_function((name, &args.args, *with_ordinality), alias.as_ref(), scope, at)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.table_function((name, args, *with_ordinality), alias.as_ref(), scope, at)
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let mut calls = Vec::new();
                let ((), needs) = scope.touched_by(|| {
                    for expr in array_exprs {
                        let array = self.expr(expr, at)?;
                        calls.push(self.rows_of("unnest", vec![array])?);
                    }
                    Ok(())
                })?;
                self.add_calls(calls, *with_ordinality, alias.as_ref(), "unnest", needs, scope)
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let before = scope.visible.replace(*lateral && scope.visible.get());
                let bound = scope.touched_by(|| self.query(subquery, at));
                scope.visible.set(before);
                let ((query, correlated), needs) = bound?;
                let columns = query.columns.clone();
                let id = self.next_id();
                let source = Source::Query(Box::new(Subquery { id, query, correlated }));
                self.add(source, columns, alias.as_ref(), "", None, needs, scope)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.table_with_joins(table_with_joins, scope, at)
            }
            TableFactor::TableFunction { expr: ast::Expr::Function(function), alias } => match &function.args {
                ast::FunctionArguments::List(list) => {
                    self.table_function((&function.name, &list.args, false), alias.as_ref(), scope, at)
                }
                _ => Err(Fault::unsupported(function)),
            },
            other => Err(Fault::unsupported(other)),
        }
    }

    fn relation(
        &self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        scope: &Scope<'_>,
        at: At<'_>,
    ) -> Result<Pieces> {
        let (schema, table) = qualified(name)?;
        if schema.is_none()
            && let Some((_, id, columns)) = at.ctes.and_then(|ctes| ctes.find(&table))
        {
            return self.add(Source::Cte(*id), columns.to_vec(), alias, &table, None, 0, scope);
        }
        let relation = self.names.snapshot.relation(schema.as_deref(), &table);
        let relation = relation.ok_or_else(|| Fault::undefined_table(&name.to_string()))?;
        let source = match relation.definition.view {
            Some(text) => self.view(relation, text)?,
            None => Source::Relation(relation.clone()),
        };
        let columns = relation.columns().to_vec();
        self.add(source, columns, alias, &table, Some(relation.definition.oid), 0, scope)
    }

    fn view(&self, relation: &Relation, text: &str) -> Result<Source> {
        let fault = |why: String| Fault::new("XX000", format!("view {}: {why}", relation.definition.name));
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|error| fault(error.to_string()))?;
        let Some(ast::Statement::Query(query)) = parsed.into_iter().next() else {
            return Err(fault("it is no query".to_owned()));
        };
        let (query, _) = self.query(&query, At { scope: None, ctes: None })?;
        if query.columns.len() != relation.columns().len() {
            return Err(fault(format!("it has {} columns", query.columns.len())));
        }
        Ok(Source::Query(Box::new(Subquery { id: self.next_id(), query, correlated: false })))
    }

    fn table_function(
        &self,
        (name, args, numbered): (&ast::ObjectName, &[ast::FunctionArg], bool),
        alias: Option<&ast::TableAlias>,
        scope: &Scope<'_>,
        at: At<'_>,
    ) -> Result<Pieces> {
        let (_, name) = qualified(name)?;
        let (call, needs) = scope.touched_by(|| {
            let arguments = self.arguments(args, at)?;
            self.rows_of(&name, arguments)
        })?;
        self.add_calls(vec![call], numbered, alias, &name, needs, scope)
    }

    /// Binds a function call in `FROM`, with its columns.
    fn rows_of(&self, name: &str, arguments: Vec<Typed>) -> Result<(RowsOf, Vec<Column>)> {
        let kinds: Vec<types::Ty> = arguments.iter().map(|argument| argument.ty.clone()).collect();
        if let Some(function) = functions::find_set(name, &kinds) {
            let arguments = self.coerced(arguments, function.arguments)?;
            let elem = |oid| self.names.elem(oid);
            let columns = (function.columns)(&Types { arguments: &kinds, elem: &elem });
            return Ok((RowsOf::Set(function, arguments), columns));
        }
        let value = self.call_of(name, arguments)?;
        match value.ty.fields.clone() {
            Some(fields) => Ok((RowsOf::Value(value.expr, true), fields.to_vec())),
            None => Ok((RowsOf::Value(value.expr, false), vec![Column::new(name, value.ty)])),
        }
    }

    fn add_calls(
        &self,
        calls: Vec<(RowsOf, Vec<Column>)>,
        numbered: bool,
        alias: Option<&ast::TableAlias>,
        name: &str,
        needs: u64,
        scope: &Scope<'_>,
    ) -> Result<Pieces> {
        let mut columns: Vec<Column> = calls.iter().flat_map(|(_, columns)| columns.clone()).collect();
        // The single column of a function is named like the function.
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias) {
            column.name = fold(&alias.name).into();
        }
        if numbered {
            columns.push(Column::new("ordinality", types::INT8));
        }
        let source = Source::Functions { calls: calls.into_iter().map(|(call, _)| call).collect(), numbered };
        self.add(source, columns, alias, name, None, needs, scope)
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of an item")]
    fn add(
        &self,
        source: Source,
        columns: Vec<Column>,
        alias: Option<&ast::TableAlias>,
        name: &str,
        relation: Option<types::Oid>,
        needs: u64,
        scope: &Scope<'_>,
    ) -> Result<Pieces> {
        let place = scope.items.borrow().len();
        if place >= ITEMS_MAX {
            return Err(Fault::new("54001", format!("FROM has more than {ITEMS_MAX} items")));
        }
        let columns: Arc<[Column]> = match alias {
            Some(alias) => renamed(&columns, &alias.columns).into(),
            None => columns.into(),
        };
        let alias = alias.map_or_else(|| name.to_owned(), |alias| fold(&alias.name));
        scope.items.borrow_mut().push(Item { place, alias, columns, merged: Vec::new(), relation });
        let rows = match &source {
            Source::Relation(relation) => self.names.snapshot.rows(relation).len(),
            Source::Query(_) => 300,
            Source::Cte(_) => 50,
            Source::Functions { .. } => 5,
        };
        Ok(Pieces::one(Step::Scan { item: place, source }, place, needs, rows))
    }
}

enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

fn kind(operator: &JoinOperator) -> Result<(Kind, &JoinConstraint)> {
    match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => Ok((Kind::Inner, on)),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => Ok((Kind::Left, on)),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => Ok((Kind::Right, on)),
        JoinOperator::FullOuter(on) => Ok((Kind::Full, on)),
        _ => Err(Fault::unsupported("this kind of join")),
    }
}

/// Finds a column in a range of items, with the item's position.
fn of_items(scope: &Scope<'_>, range: std::ops::Range<usize>, name: &str) -> Option<(Typed, usize)> {
    let items = scope.items.borrow();
    let end = range.end.min(items.len());
    items.get(range.start..end)?.iter().find_map(|item| {
        let column = item.columns.iter().position(|column| &*column.name == name)?;
        let ty = item.columns[column].ty.clone();
        Some((Typed::new(Expr::Column { up: 0, item: item.place, column }, ty), item.place))
    })
}
