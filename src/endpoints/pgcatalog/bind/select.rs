//! Binds `SELECT`.

use super::query::{BoundBody, direction, number};
use super::{At, Binder, Calls, Scope, Typed, fold, folded, titles};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Body, Distinct, Expr, Group, Select, Sort};
use crate::endpoints::pgcatalog::types::{self, Column};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Output expressions and column names; hidden sort keys are appended.
#[derive(Default)]
struct Output {
    exprs: Vec<Typed>,
    columns: Vec<Column>,
    /// Syntax trees of the expressions, for matching `ORDER BY`.
    written: Vec<Option<ast::Expr>>,
}

impl Binder<'_> {
    pub(super) fn select(&self, select: &ast::Select, order: &[ast::OrderByExpr], at: At<'_>) -> Result<BoundBody> {
        if select.into.is_some() {
            return Err(Fault::new("25006", "cannot execute SELECT INTO in a read-only server"));
        }
        let scope = Scope::new(at.scope);
        let at = At { scope: Some(&scope), ..at };
        let mut pieces = self.from(&select.from, &scope, at)?;
        if let Some(selection) = &select.selection {
            self.conditions(selection, &scope, at, &mut pieces.conditions)?;
        }
        let items = scope.items.borrow().iter().map(|item| item.place + 1).max().unwrap_or(0);
        *scope.calls.borrow_mut() = Some(Calls::default());
        let mut output = self.output(&select.projection, at)?;
        let shown = output.exprs.len();
        let keys = self.group_keys(&select.group_by, &output, at)?;
        let having = match &select.having {
            Some(having) => {
                let having = self.expr(having, at)?;
                Some(self.boolean(having)?)
            }
            None => None,
        };
        let mut sorts = Vec::new();
        for sort in order {
            let column = self.sort_column(&sort.expr, shown, &mut output, at)?;
            sorts.push(Sort { column, direction: direction(sort.options) });
        }
        let distinct = match &select.distinct {
            None | Some(ast::Distinct::All) => Distinct::None,
            Some(ast::Distinct::Distinct) => Distinct::All,
            Some(ast::Distinct::On(exprs)) => {
                let on = exprs.iter().map(|expr| self.sort_column(expr, shown, &mut output, at));
                Distinct::On(on.collect::<Result<_>>()?)
            }
        };
        let calls = scope.calls.borrow_mut().take().unwrap_or_default();
        let grouped = !keys.is_empty() || !calls.aggregates.is_empty() || having.is_some();
        let group = grouped.then_some(Group { keys, aggregates: calls.aggregates, having });
        let mut columns = output.columns;
        for (typed, column) in output.exprs.iter().zip(&mut columns) {
            column.ty = match self.known(typed) {
                Some(oid) => types::Ty { oid, ..typed.ty.clone() },
                None => types::TEXT.into(),
            };
        }
        columns.truncate(shown);
        let exprs = output.exprs.into_iter().map(|typed| match self.known(&typed) {
            Some(_) => Ok(typed.expr),
            None => self.coerce(typed, types::TEXT),
        });
        let select = Select {
            steps: pieces.placed(items)?,
            items,
            group,
            windows: calls.windows,
            sets: calls.sets,
            output: exprs.collect::<Result<_>>()?,
            distinct,
        };
        let correlated = scope.uses_outer.get();
        Ok(BoundBody { body: Body::Select(Box::new(select)), columns, correlated, order: Some(sorts) })
    }

    fn output(&self, projection: &[ast::SelectItem], at: At<'_>) -> Result<Output> {
        let mut output = Output::default();
        for item in projection {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    if let Some(record) = record_of(expr) {
                        self.fields(record, at, &mut output)?;
                    } else {
                        let typed = self.expr(expr, at)?;
                        output.add(&titles::title(expr), typed, Some(expr));
                    }
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expr(expr, at)?;
                    output.add(&fold(alias), typed, Some(expr));
                }
                ast::SelectItem::Wildcard(_) => Self::every(None, at, &mut output)?,
                ast::SelectItem::QualifiedWildcard(kind, _) => match kind {
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name) => {
                        let name = folded(name)?.pop().unwrap_or_default();
                        Self::every(Some(&name), at, &mut output)?;
                    }
                    ast::SelectItemQualifiedWildcardKind::Expr(expr) => self.fields(expr, at, &mut output)?,
                },
                ast::SelectItem::ExprWithAliases { .. } => return Err(Fault::unsupported(item)),
            }
        }
        Ok(output)
    }

    /// Expands `*`, or all columns of an item.
    fn every(of: Option<&str>, at: At<'_>, output: &mut Output) -> Result<()> {
        let Some(scope) = at.scope else { return Err(Fault::unsupported("*")) };
        let items = scope.items.borrow().clone();
        let mut found = false;
        for item in items.iter().filter(|item| of.is_none_or(|of| item.alias == of)) {
            found = true;
            scope.touch(0, item.place);
            for (column, known) in item.columns.iter().enumerate() {
                if of.is_none() && item.merged.get(column) == Some(&true) {
                    continue;
                }
                let expr = Expr::Column { up: 0, item: item.place, column };
                output.add(&known.name, Typed::new(expr, known.ty.clone()), None);
            }
        }
        match of {
            Some(of) if !found => Err(Fault::new("42P01", format!("missing FROM-clause entry for table \"{of}\""))),
            None if !found => Err(Fault::new("42601", "SELECT * with no tables specified is not valid")),
            _ => Ok(()),
        }
    }

    /// Expands `(record).*`.
    fn fields(&self, record: &ast::Expr, at: At<'_>, output: &mut Output) -> Result<()> {
        let record = self.expr(record, at)?;
        let Some(fields) = record.ty.fields.clone() else {
            return Err(Fault::new("42809", "column notation .* applied to a type that is not composite"));
        };
        for (place, field) in fields.iter().enumerate() {
            let expr = Expr::Field(Box::new(record.expr.clone()), place);
            output.add(&field.name, Typed::new(expr, field.ty.clone()), None);
        }
        Ok(())
    }

    fn group_keys(&self, group: &ast::GroupByExpr, output: &Output, at: At<'_>) -> Result<Vec<Expr>> {
        let ast::GroupByExpr::Expressions(exprs, modifiers) = group else {
            return Err(Fault::unsupported("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(Fault::unsupported(group));
        }
        let mut keys = Vec::new();
        for expr in exprs {
            if let Some(place) = number(expr, output.columns.len())? {
                keys.push(output.exprs[place].expr.clone());
                continue;
            }
            // In `GROUP BY`, columns of tables take precedence over output names.
            let alias = match expr {
                ast::Expr::Identifier(ident) => {
                    let name = fold(ident);
                    let is_column = Self::column(at.scope, None, &name)?.is_some();
                    let place = output.columns.iter().position(|column| *column.name == *name);
                    place.filter(|_| !is_column)
                }
                ast::Expr::Tuple(exprs) => {
                    for expr in exprs {
                        keys.push(self.expr(expr, at)?.expr);
                    }
                    continue;
                }
                _ => None,
            };
            keys.push(match alias {
                Some(place) => output.exprs[place].expr.clone(),
                None => self.expr(expr, at)?.expr,
            });
        }
        Ok(keys)
    }

    /// Returns the output column that `ORDER BY` refers to. Appends a hidden column if the output does not contain it.
    fn sort_column(&self, expr: &ast::Expr, shown: usize, output: &mut Output, at: At<'_>) -> Result<usize> {
        let mut expr = expr;
        while let ast::Expr::Collate { expr: inner, .. } | ast::Expr::Nested(inner) = expr {
            expr = inner;
        }
        if let Some(place) = number(expr, shown)? {
            return Ok(place);
        }
        // In `ORDER BY`, output names take precedence over columns of tables.
        if let ast::Expr::Identifier(ident) = expr {
            let name = fold(ident);
            if let Some(place) = output.columns[..shown].iter().position(|column| *column.name == *name) {
                return Ok(place);
            }
        }
        if let Some(place) = output.written.iter().position(|written| written.as_ref() == Some(expr)) {
            return Ok(place);
        }
        let typed = self.expr(expr, at)?;
        output.add("", typed, Some(expr));
        Ok(output.exprs.len() - 1)
    }
}

impl Output {
    fn add(&mut self, name: &str, typed: Typed, written: Option<&ast::Expr>) {
        self.columns.push(Column::new(name, typed.ty.clone()));
        self.exprs.push(typed);
        self.written.push(written.cloned());
    }
}

/// Placeholder for the star of `(record).*`, which the parser does not support.
const EVERY: &str = "(every field)";

/// Rewrites `(record).*` to a form that the parser supports.
pub(in crate::endpoints) fn every_field(tokens: &mut [TokenWithSpan]) {
    for at in 2..tokens.len() {
        let is_star = tokens[at].token == Token::Mul && tokens[at - 1].token == Token::Period;
        if is_star && tokens[at - 2].token == Token::RParen {
            tokens[at].token = Token::make_word(EVERY, Some('"'));
        }
    }
}

/// Returns the record of `(record).*`.
fn record_of(expr: &ast::Expr) -> Option<&ast::Expr> {
    let ast::Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
    match access_chain.as_slice() {
        [ast::AccessExpr::Dot(ast::Expr::Identifier(name))] if name.value == EVERY => Some(root),
        _ => None,
    }
}
