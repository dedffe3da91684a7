//! Set-returning functions in `FROM`: `generate_series`, `unnest`, `json_each` and similar.

use super::made::{function, query, query_over, word};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Query, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

/// Set-returning functions, with the functions that return the same rows as a list.
pub(super) const OF_ROWS: [(&str, &str); 10] = [
    ("regexp_matches", "regexp_all"),
    ("generate_series", "series"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("json_array_elements", "json_elements"),
    ("jsonb_array_elements", "json_elements"),
    ("json_array_elements_text", "json_elements_text"),
    ("jsonb_array_elements_text", "json_elements_text"),
    ("json_object_keys", "json_keys"),
    ("jsonb_object_keys", "json_keys"),
];

/// Functions that return a row per member of an object, with the functions that return its keys and values.
const PAIRS: [(&str, &str, &str); 4] = [
    ("json_each", "json_keys", "json_values"),
    ("jsonb_each", "json_keys", "json_values"),
    ("json_each_text", "json_keys", "json_values_text"),
    ("jsonb_each_text", "json_keys", "json_values_text"),
];

/// Name that marks calls already rewritten.
pub(super) const PLACEHOLDER: &str = "spanwise_series";

/// Rewrites a set-returning function in `FROM`. A single column is named like the table.
pub(super) fn table(factor: &mut TableFactor) {
    if let Some(numbered) = ordinality(factor) {
        *factor = numbered;
        return;
    }
    let (name, given, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name.clone(), &args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name.clone(), &*args, alias),
        TableFactor::UNNEST { alias: Some(alias), with_ordinality: false, array_exprs, .. }
            if array_exprs.len() == 1 =>
        {
            if alias.columns.is_empty() {
                alias.columns.push(column(&alias.name));
            }
            return;
        }
        TableFactor::UNNEST { alias: alias @ None, with_ordinality: false, array_exprs, .. }
            if array_exprs.len() == 1 =>
        {
            *alias = Some(named("unnest"));
            return;
        }
        _ => return,
    };
    let word = word(&name);
    if let Some((_, of_keys, of_values)) = PAIRS.iter().find(|(pairs, _, _)| *pairs == word) {
        let mut alias = alias.take().unwrap_or_else(|| TableAlias { columns: Vec::new(), ..named(&word) });
        if alias.columns.is_empty() {
            alias.columns = vec![column(&Ident::new("key")), column(&Ident::new("value"))];
        }
        let array_exprs = vec![function(of_keys, given.clone()), function(of_values, given.clone())];
        *factor = unnest(alias, array_exprs);
        return;
    }
    let Some((_, as_list)) = OF_ROWS.iter().find(|(of_rows, _)| *of_rows == word) else { return };
    if alias.as_ref().is_some_and(|alias| alias.name.value == PLACEHOLDER) {
        return;
    }
    let mut alias = alias.take().unwrap_or_else(|| {
        let columns = if word.contains("_array_elements") { vec![column(&Ident::new("value"))] } else { Vec::new() };
        TableAlias { columns, ..named(&word) }
    });
    if alias.columns.is_empty() {
        alias.columns.push(column(&alias.name));
    }
    let constant = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => is_integer(expression),
        _ => false,
    };
    // `DataFusion` produces these in batches instead of one list.
    if word == "generate_series" && given.iter().all(constant) {
        let integers = given.iter().map(ToString::to_string).collect::<Vec<_>>();
        let fits = integers.iter().all(|text| text.replace(['(', ')', ' '], "").parse::<i32>().is_ok());
        if let Some(subquery) = numbers(&integers.join(", "), if fits { "INT" } else { "BIGINT" }) {
            *factor = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
        }
        return;
    }
    let list = function(as_list, given.clone());
    *factor = unnest(alias, vec![list]);
}

/// Rewrites `WITH ORDINALITY` to numbered rows. With an outer reference the order would not be guaranteed.
fn ordinality(factor: &mut TableFactor) -> Option<TableFactor> {
    let alias = match factor {
        TableFactor::Table { with_ordinality, args: Some(_), alias, .. }
        | TableFactor::UNNEST { with_ordinality, alias, .. } => {
            if !std::mem::take(with_ordinality) {
                return None;
            }
            alias.take()
        }
        _ => return None,
    };
    let sql = "SELECT *, row_number() OVER () AS ordinality FROM placeholder";
    let subquery = query_over(sql, factor.clone())?;
    let alias = alias.or_else(|| Some(TableAlias { columns: Vec::new(), ..named("rows") }));
    Some(TableFactor::Derived { lateral: false, subquery, alias, sample: None })
}

fn unnest(alias: TableAlias, array_exprs: Vec<Expr>) -> TableFactor {
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// Rewrites `generate_series` of constants as a query with a column of their type.
fn numbers(constants: &str, kind: &str) -> Option<Box<Query>> {
    query(&format!(
        "SELECT CAST({PLACEHOLDER} AS {kind}) AS n FROM generate_series({constants}) {PLACEHOLDER}({PLACEHOLDER})"
    ))
}

fn is_integer(expression: &Expr) -> bool {
    match expression {
        Expr::Value(value) => matches!(&value.value, Value::Number(number, _) if number.parse::<i64>().is_ok()),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_integer(expr),
        _ => false,
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, columns: vec![column(&Ident::new(name))], name: Ident::new(name), at: None }
}

fn column(name: &Ident) -> TableAliasColumnDef {
    TableAliasColumnDef { name: name.clone(), data_type: None }
}
