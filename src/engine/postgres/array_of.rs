//! `ARRAY(SELECT …)`: collects the values of a query into an array, in the query's order.

use super::functions::lists::OR_EMPTY;
use super::made::{call, query_over, word};
use super::rows::PLACEHOLDER;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

/// Names of the query's value column, and of additional sort columns.
const ITEM: &str = "item";
const KEY: &str = "key";

/// Rewrites the call as a subquery; `None` if it is another function, or not supported.
pub(super) fn of_query(function: &Function) -> Option<Expr> {
    let FunctionArguments::Subquery(query) = &function.args else { return None };
    if word(&function.name) != "array" {
        return None;
    }
    let mut inner = query.clone();
    let order = order(&mut inner)?;
    let keys = 1..=order.iter().filter(|by| by.expr != column(ITEM)).count();
    let names = std::iter::once(ITEM.to_owned()).chain(keys.map(|at| format!("{KEY}{at}")));
    let columns = names.map(|name| TableAliasColumnDef { name: Ident::new(name), data_type: None }).collect();
    let mut all = call("array_agg", vec![column(ITEM)]);
    if let (Expr::Function(Function { args: FunctionArguments::List(list), .. }), false) = (&mut all, order.is_empty())
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    let sql = format!("SELECT 1 AS \"array\" FROM (SELECT 1) AS {PLACEHOLDER}");
    let alias = TableAlias { explicit: true, name: Ident::new(PLACEHOLDER), columns, at: None };
    let table = TableFactor::Derived { lateral: false, subquery: inner, alias: Some(alias), sample: None };
    let mut outer = query_over(&sql, table)?;
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    if let Some(SelectItem::ExprWithAlias { expr, .. }) = select.projection.first_mut() {
        *expr = call(OR_EMPTY, vec![all]);
    }
    Some(Expr::Subquery(outer))
}

fn column(name: &str) -> Expr {
    Expr::Identifier(Ident::new(name))
}

/// Returns the sort keys; appends a column to the query for each key that is not its value.
fn order(query: &mut Query) -> Option<Vec<OrderByExpr>> {
    let Some(order) = query.order_by.clone() else { return Some(Vec::new()) };
    let OrderByKind::Expressions(keys) = order.kind else { return None };
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let mut added = 0;
    keys.into_iter()
        .map(|key| {
            let expr = if is_item(select, &key.expr)? {
                column(ITEM)
            } else {
                if select.distinct.is_some() {
                    return None;
                }
                added += 1;
                let alias = Ident::new(format!("{KEY}{added}"));
                select.projection.push(SelectItem::ExprWithAlias { expr: key.expr, alias: alias.clone() });
                Expr::Identifier(alias)
            };
            Some(OrderByExpr { expr, ..key })
        })
        .collect()
}

/// Returns whether a sort key is the query's value column.
fn is_item(select: &Select, key: &Expr) -> Option<bool> {
    let (item, alias) = match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => (expr, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
        _ => return None,
    };
    let is_first = matches!(key, Expr::Value(value) if matches!(&value.value, Value::Number(at, _) if at == "1"));
    let is_alias = matches!((key, alias), (Expr::Identifier(key), Some(alias)) if key.value == alias.value);
    Some(is_first || is_alias || key == item)
}
