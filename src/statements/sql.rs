//! Fingerprints of SQL.

use super::{characters, dialects, drivers, maps, nesting, tokens};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SetExpr, Statement, UnaryOperator, Value,
    ValueWithSpan, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use std::ops::ControlFlow;

/// Statements with more tokens, not counting long lists, are folded by tokens: parsing these generated statements is
/// not worth its cost.
const PARSED_TOKENS_MAX: usize = 5000;
/// Maximum number of bytes of a statement that are read.
const SEEN_BYTES_MAX: usize = 64 << 10;
const NESTING_MAX: usize = 40;
/// Functions that make a list or a map of any number of arguments.
const BUILDERS: [&str; 12] = [
    "map",
    "array",
    "list_value",
    "make_array",
    "json_array",
    "json_object",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "array_construct",
    "object_construct",
];
/// Maximum depth of nested calls; deeper statements are folded by tokens.
pub(super) const CALLS_MAX: usize = 8;

pub(super) fn fingerprint(system: &str, query: &str) -> String {
    let seen = &query[..query.floor_char_boundary(SEEN_BYTES_MAX)];
    let speech = dialects::of(system);
    let plain = if speech.known { None } else { characters::with_doubled_quotes(seen) };
    let settled = drivers::settled(plain.as_deref().unwrap_or(seen), system != "neo4j");
    let (mut tokens, whole) = tokens::read(&*speech.dialect, &settled);
    if speech.doubtful_quotes {
        tokens::mask_doubtful_quotes(&mut tokens);
    }
    tokens::spell_out_top(&mut tokens);
    let tokens = maps::folded(tokens, whole);
    let (tokens, whole) = tokens::shorten(&tokens, whole);
    let is_parsed = whole && tokens.len() <= PARSED_TOKENS_MAX && nesting::depth(&tokens) <= CALLS_MAX;
    let parsed = if is_parsed { by_tree(&*speech.dialect, &tokens) } else { None };
    parsed.unwrap_or_else(|| tokens::folded(&tokens, whole))
}

fn by_tree(dialect: &dyn Dialect, tokens: &[Token]) -> Option<String> {
    let parser = Parser::new(dialect).with_recursion_limit(NESTING_MAX);
    let mut statements = parser.with_tokens(tokens.to_vec()).parse_statements().ok()?;
    // Others name session objects (savepoints, cursors, prepared statements), or contain literals that are no values.
    if statements.is_empty() || !statements.iter().all(is_about_rows) {
        return None;
    }
    let _never = statements.visit(&mut Fold);
    let print = statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // The parser does not treat some strings as values, such as the comment of a column.
    (!print.contains('\'')).then_some(print)
}

fn is_about_rows(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::Truncate(_)
            | Statement::CreateTable(_)
            | Statement::CreateIndex(_)
            | Statement::AlterTable(_)
            | Statement::Drop { .. }
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { savepoint: None, .. }
            | Statement::Explain { .. }
    )
}

struct Fold;

impl VisitorMut for Fold {
    type Break = ();

    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if value.value != Value::Null {
            value.value = placeholder();
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        match expression {
            Expr::InList { list, .. } => fold_list(list),
            Expr::Array(array) => fold_list(&mut array.elem),
            Expr::Function(function) if is_builder(&function.name.to_string()) => fold_arguments(&mut function.args),
            // The sign of a number.
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } if is_placeholder(expr) => {
                *expression = expr.as_ref().clone();
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Values(values) = query.body.as_mut() {
            values.rows.truncate(1);
            values.rows.iter_mut().flat_map(|row| row.iter_mut()).for_each(fold_null);
        }
        ControlFlow::Continue(())
    }
}

fn placeholder() -> Value {
    Value::Placeholder("?".to_owned())
}

fn is_placeholder(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }))
}

/// Reduces a list of literals to one item; in other lists, removes repetitions in a row.
fn fold_list(list: &mut Vec<Expr>) {
    list.iter_mut().for_each(fold_null);
    if list.iter().all(is_folded) {
        list.truncate(1);
    } else {
        list.dedup();
    }
}

fn is_builder(name: &str) -> bool {
    BUILDERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Merges arguments if all are literals.
fn fold_arguments(arguments: &mut FunctionArguments) {
    let FunctionArguments::List(list) = arguments else { return };
    let is_folded = |argument: &mut FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
            fold_null(expression);
            is_folded(expression)
        }
        _ => false,
    };
    if list.args.iter_mut().all(is_folded) {
        list.args.truncate(1);
    }
}

/// Treats null among values as a value, because a column that is null now may have a value in the next call.
fn fold_null(expression: &mut Expr) {
    match expression {
        Expr::Value(ValueWithSpan { value: value @ Value::Null, .. }) => *value = placeholder(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => fold_null(expr),
        Expr::Tuple(items) => items.iter_mut().for_each(fold_null),
        _ => {}
    }
}

fn is_folded(expression: &Expr) -> bool {
    match expression {
        Expr::Value(ValueWithSpan { value, .. }) => matches!(value, Value::Placeholder(_)),
        Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_folded(expr),
        Expr::Prefixed { value, .. } => is_folded(value),
        Expr::Tuple(items) => items.iter().all(is_folded),
        _ => false,
    }
}
