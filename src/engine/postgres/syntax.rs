//! Rewrites statements before planning: `PostgreSQL` syntax that `DataFusion` does not support, and column names.

use super::array_of;
use super::made::{self, call, cast, number, string, word};
use super::names;
use super::quantified;
use super::row_json;
use super::rows::{self, OF_ROWS, PLACEHOLDER};
use super::tuples;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Interval,
    LimitClause, ObjectName, Query, Select, SelectItem, SetExpr, TableFactor, TimezoneInfo, UnaryOperator, Value,
    VisitMut as _, VisitorMut, WindowFrameBound, WindowType,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Parameters of `make_interval`, in order.
const INTERVAL_PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Rewrites a statement, in place.
pub(crate) fn rewrite(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let _never = statement.visit(&mut Rewriter);
        }
        Statement::Explain(explained) => rewrite(&mut explained.statement),
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => {}
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        fetch(query);
        count(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        name(select);
        row_json::rewrite(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        rows::table(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let taken = std::mem::replace(expression, Expr::Value(Value::Null.into()));
        *expression = rewritten(taken);
        ControlFlow::Continue(())
    }
}

/// Rewrites `FETCH FIRST n ROWS ONLY` to `LIMIT`.
fn fetch(query: &mut Query) {
    let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) else { return };
    let limit = fetch.quantity.unwrap_or_else(|| number("1"));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: place, .. }) if place.is_none() => *place = Some(limit),
        clause @ None => {
            *clause = Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by: Vec::new() });
        }
        Some(_) => {}
    }
}

/// Rewrites `LIMIT '5'`: an untyped literal is read as a number.
fn count(query: &mut Query) {
    let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause else { return };
    for value in limit.iter_mut().chain(offset.as_mut().map(|offset| &mut offset.value)) {
        let text = match value {
            Expr::Value(value) => value.value.clone().into_string(),
            _ => None,
        };
        if let Some(rows) = text.and_then(|text| text.trim().parse::<i64>().ok()) {
            *value = number(&rows.to_string());
        }
    }
}

/// Sets column names as in `PostgreSQL`, and makes repeated names unique.
fn name(select: &mut Select) {
    let has_star = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut seen: HashSet<String> = HashSet::new();
    for (number, item) in (1..).zip(select.projection.iter_mut()) {
        let (expression, name, is_given) = match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let plain = alias.quote_style.is_none();
                let name = if plain { alias.value.to_lowercase() } else { alias.value.clone() };
                // A rewrite for Postgres clients adds such aliases to columns besides a star.
                match name.strip_prefix("__alias_") {
                    Some(name) => (expr, name.to_owned(), false),
                    None => (expr, name, true),
                }
            }
            SelectItem::UnnamedExpr(expression) => {
                let name = names::of(expression);
                (expression, name, false)
            }
            _ => continue,
        };
        exists(expression);
        let is_column = matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let is_twice = !seen.insert(name.clone()) || (has_star && !is_given);
        if (is_given || is_column) && !is_twice {
            continue;
        }
        let name = if is_twice { names::apart(&name, number) } else { name };
        let expr = std::mem::replace(expression, Expr::Value(Value::Null.into()));
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    }
}

/// Rewrites `EXISTS` in a column to a count, because the planner supports it only in conditions.
fn exists(expression: &mut Expr) {
    let Expr::Exists { subquery, negated } = expression else { return };
    let sql = format!(
        "SELECT count(*) {} 0 AS e FROM (SELECT 1 AS one LIMIT 1) AS {PLACEHOLDER}",
        if *negated { "=" } else { ">" }
    );
    let Some(mut counted) = made::query(&sql) else { return };
    let SetExpr::Select(select) = counted.body.as_mut() else { return };
    let Some(TableFactor::Derived { subquery: place, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    else {
        return;
    };
    std::mem::swap(place, subquery);
    *expression = Expr::Subquery(counted);
}

fn rewritten(expression: Expr) -> Expr {
    match expression {
        Expr::AtTimeZone { timestamp, time_zone } => call("timezone", vec![*time_zone, *timestamp]),
        Expr::Interval(interval) => of_interval(interval),
        Expr::Cast { kind, expr, data_type, array, format } if is_worked_out(&expr) => {
            // The planner identifies expressions by names that omit casts.
            let named = call(super::functions::lists::OF_CAST, vec![*expr, string(&data_type.to_string())]);
            Expr::Cast { kind, expr: Box::new(named), data_type, array, format }
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let mut args = vec![*expr, *pattern];
            args.extend(escape_char.map(Expr::Value));
            let matches = call("similar_to", args);
            if negated { not(matches) } else { matches }
        }
        Expr::AnyOp { ref left, ref compare_op, ref right, .. } => {
            quantified::of_text(left, compare_op, right, false).unwrap_or(expression)
        }
        Expr::AllOp { ref left, ref compare_op, ref right } => {
            quantified::of_text(left, compare_op, right, true).unwrap_or(expression)
        }
        Expr::Function(function) => of_function(function),
        Expr::UnaryOp { op: UnaryOperator::PGSquareRoot, expr } => call("sqrt", vec![*expr]),
        Expr::UnaryOp { op: UnaryOperator::PGCubeRoot, expr } => call("cbrt", vec![*expr]),
        Expr::UnaryOp { op: UnaryOperator::PGAbs, expr } => call("abs", vec![*expr]),
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
            let all = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number("1")) };
            made::binary(all, BinaryOperator::Minus, Expr::Nested(expr))
        }
        Expr::InList { ref expr, ref list, negated } if matches!(**expr, Expr::Tuple(_)) => {
            tuples::listed(expr, list, negated).unwrap_or(expression)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => match (*left, *right) {
            (Expr::Tuple(one), Expr::Tuple(other)) => call("overlaps", one.into_iter().chain(other).collect()),
            (left, right) => {
                Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Overlaps, right: Box::new(right) }
            }
        },
        Expr::BinaryOp { ref left, ref op, ref right }
            if matches!((&**left, &**right), (Expr::Tuple(_), Expr::Tuple(_))) =>
        {
            tuples::compared(left, op, right).unwrap_or(expression)
        }
        other => other,
    }
}

/// Returns whether an expression is not a constant or parameter, whose type the cast determines.
fn is_worked_out(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_worked_out(inner),
        Expr::UnaryOp { expr, .. } => is_worked_out(expr),
        other => !matches!(other, Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) | Expr::Subquery(_)),
    }
}

fn not(expression: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expression))) }
}

/// Rewrites `INTERVAL '…' HOUR` to a cast of a text.
fn of_interval(interval: Interval) -> Expr {
    let text = match interval.value.as_ref() {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    let Some(text) = text else { return Expr::Interval(interval) };
    let unit = match (&interval.leading_field, &interval.last_field) {
        (Some(unit), None) if text.trim().parse::<f64>().is_ok() => format!(" {}", unit.to_string().to_lowercase()),
        _ => String::new(),
    };
    cast(string(&format!("{text}{unit}")), DataType::Interval { fields: None, precision: None })
}

fn of_function(mut function: Function) -> Expr {
    if let Some(items) = array_of::of_query(&function) {
        return items;
    }
    keep_frame(&mut function);
    let name = word(&function.name);
    if matches!(function.args, FunctionArguments::None) {
        let now = || call("now", Vec::new());
        match name.as_str() {
            "current_date" => return cast(now(), DataType::Date),
            "localtimestamp" => return cast(now(), DataType::Timestamp(None, TimezoneInfo::None)),
            "localtime" | "current_time" => return cast(now(), DataType::Time(None, TimezoneInfo::None)),
            "current_timestamp" => return now(),
            "current_user" | "session_user" | "user" | "current_role" | "current_catalog" | "current_schema" => {
                return call(&name, Vec::new());
            }
            _ => {}
        }
    }
    if name == "age" && arguments(&function).is_some_and(|args| args.len() == 1) {
        let timestamp = || DataType::Timestamp(None, TimezoneInfo::None);
        let today = cast(cast(call("now", Vec::new()), DataType::Date), timestamp());
        let FunctionArguments::List(list) = &mut function.args else { return Expr::Function(function) };
        list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(today)));
        return Expr::Function(function);
    }
    if name == "variance" {
        function.name = ObjectName::from(vec![Ident::new("var_samp")]);
        return Expr::Function(function);
    }
    // PostgreSQL removes or replaces all equal items, not only the first.
    if matches!(name.as_str(), "array_remove" | "array_replace") {
        function.name = ObjectName::from(vec![Ident::new(format!("{name}_all"))]);
        return Expr::Function(function);
    }
    if matches!(name.as_str(), "json_agg" | "jsonb_agg") {
        function.name = ObjectName::from(vec![Ident::new("array_agg")]);
        return call("to_json", vec![Expr::Function(function)]);
    }
    if matches!(name.as_str(), "percentile_cont" | "percentile_disc")
        && let Some([FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Array(shares)))]) =
            arguments(&function).map(Vec::as_slice)
    {
        let one = |share: &Expr| {
            let mut one = function.clone();
            if let FunctionArguments::List(list) = &mut one.args {
                list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(share.clone()))];
            }
            Expr::Function(one)
        };
        return call("make_array", shares.elem.iter().map(one).collect());
    }
    if name == "make_interval" {
        make_interval(&mut function);
        return Expr::Function(function);
    }
    if let Some((_, as_list)) = OF_ROWS.iter().find(|(of_rows, _)| *of_rows == name)
        && let FunctionArguments::List(list) = &function.args
    {
        return call("unnest", vec![made::function(as_list, list.args.clone())]);
    }
    Expr::Function(function)
}

fn arguments(function: &Function) -> Option<&Vec<FunctionArg>> {
    match &function.args {
        FunctionArguments::List(list) => Some(&list.args),
        _ => None,
    }
}

/// Moves named arguments to their positions.
fn make_interval(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let mut parts: Vec<Option<FunctionArg>> = vec![None; INTERVAL_PARTS.len()];
    for (at, argument) in std::mem::take(&mut list.args).into_iter().enumerate() {
        let (place, argument) = match argument {
            FunctionArg::Named { name, arg, .. } => {
                let place = INTERVAL_PARTS.iter().position(|part| name.value.eq_ignore_ascii_case(part));
                (place, FunctionArg::Unnamed(arg))
            }
            FunctionArg::ExprNamed { name, arg, .. } => {
                let name = name.to_string();
                let place = INTERVAL_PARTS.iter().position(|part| name.eq_ignore_ascii_case(part));
                (place, FunctionArg::Unnamed(arg))
            }
            other @ FunctionArg::Unnamed(_) => (Some(at), other),
        };
        match place.and_then(|place| parts.get_mut(place)) {
            Some(part) => *part = Some(argument),
            // An unknown name leads to an error about the number of arguments.
            None => parts.push(Some(argument)),
        }
    }
    let none = || FunctionArg::Unnamed(FunctionArgExpr::Expr(number("0")));
    list.args = parts.into_iter().map(|part| part.unwrap_or_else(none)).collect();
}

/// Restores interval literals in window frames, which do not accept casts.
fn keep_frame(function: &mut Function) {
    let Some(WindowType::WindowSpec(window)) = &mut function.over else { return };
    let Some(frame) = &mut window.window_frame else { return };
    let keep = |bound: &mut WindowFrameBound| {
        let (WindowFrameBound::Preceding(Some(place)) | WindowFrameBound::Following(Some(place))) = bound else {
            return;
        };
        let Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } = place.as_ref() else { return };
        **place = Expr::Interval(Interval {
            value: expr.clone(),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    };
    keep(&mut frame.start_bound);
    if let Some(end) = &mut frame.end_bound {
        keep(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::parser::DFParserBuilder;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

    fn text(sql: &str) -> String {
        let dialect = PostgreSqlDialect {};
        let mut statements =
            DFParserBuilder::new(sql).with_dialect(&dialect).build().unwrap().parse_statements().unwrap();
        let mut statement = statements.pop_front().unwrap();
        rewrite(&mut statement);
        statement.to_string()
    }

    #[test]
    fn columns_have_postgresqls_names() {
        for (sql, expected) in [
            ("SELECT 1", r#"SELECT 1 AS "?column?""#),
            ("SELECT count(*), a FROM t", r#"SELECT count(*) AS "count", a FROM t"#),
            ("SELECT a, a::text FROM t", "SELECT a, cast_of(a, 'TEXT')::TEXT AS \"a\u{1f}2\" FROM t"),
            ("SELECT 1 AS a, 2 AS a", "SELECT 1 AS a, 2 AS \"a\u{1f}2\""),
            ("SELECT '5'::int", r#"SELECT '5'::INT AS "int4""#),
        ] {
            assert_eq!(text(sql), expected);
        }
    }

    #[test]
    fn clauses_become_what_can_be_planned() {
        assert!(text("SELECT a FROM t FETCH FIRST 3 ROWS ONLY").ends_with("FROM t LIMIT 3"));
        assert!(text("SELECT a AT TIME ZONE 'UTC' FROM t").contains("timezone('UTC', a)"));
        assert!(text("SELECT * FROM generate_series(1, 3) g").ends_with(") g (g)"));
        assert!(
            text("SELECT * FROM generate_series(now(), a, b)")
                .ends_with("UNNEST(series(now(), a, b)) AS generate_series (generate_series)")
        );
        assert!(text("SELECT x FROM t WHERE a > INTERVAL '5' MINUTE").contains("CAST('5 minute' AS INTERVAL)"));
        let window =
            "SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW) AS s FROM t";
        assert_eq!(text(window), window);
    }
}
