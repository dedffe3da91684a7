//! Rows as JSON: `row_to_json(t)`, `to_json(t)`, `json_agg(t)`, where `t` is a subquery in `FROM` with columns known from its
//! text.

use super::made::{binary, call, cast, string, word};
use super::names::{self, fold};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Select, SelectItem, SetExpr, TableFactor, VisitMut as _, VisitorMut,
};
use std::ops::ControlFlow;

/// Rewrites such calls in the columns of a `SELECT`.
pub(super) fn rewrite(select: &mut Select) {
    let factors = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    let tables: Vec<(Ident, Vec<Ident>)> = factors.filter_map(columns).collect();
    if tables.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } = item {
            let _never = expression.visit(&mut Rewriter { tables: &tables });
        }
    }
}

/// Returns the name of a subquery in `FROM`, and its columns.
fn columns(factor: &TableFactor) -> Option<(Ident, Vec<Ident>)> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor else { return None };
    let mut body = subquery.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let SetExpr::Select(select) = body else { return None };
    let column = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(expression) => Some(Ident::with_quote('"', names::of(expression))),
        _ => None,
    };
    let mut columns: Vec<Ident> = select.projection.iter().map(column).collect::<Option<_>>()?;
    for (column, given) in columns.iter_mut().zip(&alias.columns) {
        *column = given.name.clone();
    }
    Some((alias.name.clone(), columns))
}

struct Rewriter<'a> {
    tables: &'a [(Ident, Vec<Ident>)],
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression
            && let Some(json) = self.of_call(function)
        {
            *expression = json;
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn of_call(&self, function: &Function) -> Option<Expr> {
        let name = word(&function.name);
        let FunctionArguments::List(list) = &function.args else { return None };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(table)))] = list.args.as_slice() else {
            return None;
        };
        let is = |known: &&(Ident, Vec<Ident>)| fold(&known.0) == fold(table);
        let (table, columns) = self.tables.iter().find(is)?;
        if columns.iter().any(|column| fold(column) == fold(table)) {
            return None;
        }
        let pair =
            |column: &Ident| [string(&fold(column)), Expr::CompoundIdentifier(vec![table.clone(), column.clone()])];
        let object = call("json_build_object", columns.iter().flat_map(pair).collect());
        match name.as_str() {
            "row_to_json" | "to_json" | "to_jsonb" => Some(object),
            "json_agg" | "jsonb_agg" => {
                let mut all = function.clone();
                all.name = ObjectName::from(vec![Ident::new("array_agg")]);
                if let FunctionArguments::List(list) = &mut all.args {
                    list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(object))];
                }
                let items = call("array_to_string", vec![Expr::Function(all), string(", ")]);
                Some(cast(joined(joined(string("["), items), string("]")), DataType::JSON))
            }
            _ => None,
        }
    }
}

/// Concatenates texts; NULL if one is NULL.
fn joined(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::StringConcat, right)
}
