//! Fingerprints of SQL.

use super::other::by_characters;
use crate::engine::nesting;
use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, Statement, Value, ValueWithSpan, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::{
    AnsiDialect, ClickHouseDialect, Dialect, GenericDialect, MsSqlDialect, MySqlDialect, OracleDialect,
    PostgreSqlDialect, SQLiteDialect,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::ops::ControlFlow;

/// Statements longer than this are folded by tokens: no statement that people wrote is, and parsing it would cost more
/// than it tells.
const PARSED_BYTES_MAX: usize = 16 << 10;
/// What is looked at of a statement at all.
const SEEN_BYTES_MAX: usize = 64 << 10;
const NESTING_MAX: usize = 40;
/// Calls within calls; beyond it a statement is folded by tokens.
const CALLS_MAX: usize = 8;

pub(super) fn fingerprint(system: &str, query: &str) -> String {
    let query = &query[..query.floor_char_boundary(SEEN_BYTES_MAX)];
    let dialect = dialect(system);
    let Ok(tokens) = Tokenizer::new(&*dialect, query).tokenize_with_location() else { return by_characters(query) };
    let parses = query.len() <= PARSED_BYTES_MAX && nesting::depth(&tokens) <= CALLS_MAX;
    let parsed = if parses { by_tree(&*dialect, tokens.clone()) } else { None };
    parsed.unwrap_or_else(|| by_tokens(tokens))
}

fn dialect(system: &str) -> Box<dyn Dialect> {
    match system {
        "postgresql" | "cockroachdb" | "redshift" | "aws.redshift" => Box::new(PostgreSqlDialect {}),
        "mysql" | "mariadb" => Box::new(MySqlDialect {}),
        "sqlite" => Box::new(SQLiteDialect {}),
        "mssql" | "microsoft.sql_server" => Box::new(MsSqlDialect {}),
        "oracle" | "oracle.db" => Box::new(OracleDialect {}),
        "clickhouse" => Box::new(ClickHouseDialect {}),
        "db2" | "ibm.db2" | "firebird" | "derby" => Box::new(AnsiDialect {}),
        _ => Box::new(GenericDialect {}),
    }
}

fn by_tree(dialect: &dyn Dialect, tokens: Vec<TokenWithSpan>) -> Option<String> {
    let parser = Parser::new(dialect).with_recursion_limit(NESTING_MAX);
    let mut statements = parser.with_tokens_with_locations(tokens).parse_statements().ok()?;
    // Others name things of a session (savepoints, cursors, prepared statements), or hold literals that are no values.
    if statements.is_empty() || !statements.iter().all(is_about_rows) {
        return None;
    }
    let _never = statements.visit(&mut Fold);
    Some(statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
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
            value.value = Value::Placeholder("?".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let list = match expression {
            Expr::InList { list, .. } => list,
            Expr::Array(array) => &mut array.elem,
            _ => return ControlFlow::Continue(()),
        };
        if list.iter().all(is_folded) {
            list.truncate(1);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Values(values) = query.body.as_mut() {
            values.rows.truncate(1);
        }
        ControlFlow::Continue(())
    }
}

fn is_folded(expression: &Expr) -> bool {
    match expression {
        Expr::Value(ValueWithSpan { value, .. }) => matches!(value, Value::Placeholder(_) | Value::Null),
        Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_folded(expr),
        Expr::Prefixed { value, .. } => is_folded(value),
        Expr::Tuple(items) => items.iter().all(is_folded),
        _ => false,
    }
}

/// Behind these stands a name that a session made up.
const NAMING: [&str; 7] = ["SAVEPOINT", "RELEASE", "DECLARE", "FETCH", "CLOSE", "DEALLOCATE", "PREPARE"];

/// Words, numbers and signs one space apart; literals as `?`, runs of them once.
fn by_tokens(tokens: Vec<TokenWithSpan>) -> String {
    let mut words: Vec<String> = Vec::new();
    for token in tokens.into_iter().map(|token| token.token) {
        let word = match token {
            Token::Whitespace(_) | Token::EOF => continue,
            Token::Word(word) => {
                let names = |before: &String| NAMING.iter().any(|naming| before.eq_ignore_ascii_case(naming));
                let keeps =
                    word.quote_style.is_none() && NAMING.iter().any(|name| word.value.eq_ignore_ascii_case(name));
                if words.last().is_some_and(names) && !keeps { "?".to_owned() } else { word.to_string() }
            }
            Token::Number(..) | Token::Placeholder(_) => "?".to_owned(),
            Token::Comma if words.last().is_some_and(|word| word == "?") => continue,
            other if is_text(&other) => "?".to_owned(),
            other => other.to_string(),
        };
        if word != "?" || words.last().is_none_or(|before| before != "?") {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Whether a token is a quoted text of whatever kind, told by how it is printed.
fn is_text(token: &Token) -> bool {
    let text = token.to_string();
    text.len() > 1 && (text.contains('\'') || text.starts_with('"') || text.starts_with('$'))
}
