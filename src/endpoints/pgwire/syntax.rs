//! Rewrites syntax that `PostgreSQL` clients use and `DataFusion` does not support, in statements over tables: schemas of
//! functions and operators, the database before a table, collations.

use crate::endpoints::pgcatalog::{self, Client, Snapshot};
use crate::engine::postgres::fold;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart, Select, SelectItem,
    Statement, TableFactor, Value, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};
use std::ops::ControlFlow;

/// Target that marks a `FETCH` as a `MOVE`.
pub(super) const NOWHERE: &str = "nowhere";

/// Parses the statements of a text. `MOVE` has the grammar of `FETCH`, and both can omit the count and `FROM`. A `MOVE` becomes
/// a `FETCH` into [`NOWHERE`].
pub(super) fn parse(sql: &str) -> Result<Vec<Statement>, ParserError> {
    parse_if(sql, |_| true).map(Option::unwrap_or_default)
}

/// Parses the statements of a text, if the words (and signs) of each satisfy `may_be`.
pub(super) fn parse_if(sql: &str, may_be: impl Fn(&[String]) -> bool) -> Result<Option<Vec<Statement>>, ParserError> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location()?;
    let tokens = split(tokens);
    if !tokens.iter().all(|tokens| may_be(&words(tokens))) {
        return Ok(None);
    }
    let mut statements = Vec::new();
    for mut tokens in tokens {
        pgcatalog::every_field(&mut tokens);
        if begins(&tokens, "ABORT") {
            replace_first(&mut tokens, "ROLLBACK");
        }
        let is_move = begins(&tokens, "MOVE");
        if is_move || begins(&tokens, "FETCH") {
            complete(&mut tokens);
        }
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let mut statement = parser.parse_statement()?;
        if parser.peek_token() != Token::EOF {
            return parser.expected("end of statement", parser.peek_token());
        }
        if let Statement::Fetch { into, .. } = &mut statement {
            *into = is_move.then(|| ObjectName::from(vec![Ident::new(NOWHERE)]));
        }
        statements.push(statement);
    }
    Ok(Some(statements))
}

fn words(tokens: &[TokenWithSpan]) -> Vec<String> {
    let is_word = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
    tokens.iter().filter(is_word).map(|token| token.token.to_string()).collect()
}

/// Splits tokens into statements.
fn split(tokens: Vec<TokenWithSpan>) -> Vec<Vec<TokenWithSpan>> {
    let mut all = vec![Vec::new()];
    for token in tokens {
        if token.token == Token::SemiColon {
            all.push(Vec::new());
        } else if let Some(last) = all.last_mut() {
            last.push(token);
        }
    }
    let is_blank = |tokens: &Vec<TokenWithSpan>| {
        tokens.iter().all(|token| matches!(token.token, Token::Whitespace(_) | Token::EOF))
    };
    all.retain(|tokens| !is_blank(tokens));
    all
}

fn begins(tokens: &[TokenWithSpan], first_word: &str) -> bool {
    let first = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    first.is_some_and(|token| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case(first_word)))
}

fn replace_first(tokens: &mut [TokenWithSpan], keyword: &str) {
    if let Some(first) = tokens.iter_mut().find(|token| matches!(token.token, Token::Word(_))) {
        first.token = Token::make_keyword(keyword);
    }
}

/// Adds the optional words of `FETCH` and `MOVE`: the count, and `FROM` before the name.
fn complete(tokens: &mut Vec<TokenWithSpan>) {
    let span = tokens.first().map_or_else(Span::empty, |token| token.span);
    let at = |token: Token| TokenWithSpan { token, span };
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    if let Some(first) = tokens.first_mut() {
        first.token = Token::make_keyword("FETCH");
    }
    let keyword = |token: Option<&TokenWithSpan>| match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let has_from = tokens.iter().any(|token| matches!(keyword(Some(token)), Keyword::FROM | Keyword::IN));
    if !has_from && tokens.len() > 1 {
        tokens.insert(tokens.len() - 1, at(Token::make_keyword("FROM")));
    }
    // `FETCH FROM c`, `FETCH FORWARD FROM c`: the default is one row.
    let direction = keyword(tokens.get(1));
    let wants_number = |place: usize| matches!(keyword(tokens.get(place)), Keyword::FROM | Keyword::IN);
    let one = Token::Number("1".to_owned(), false);
    if matches!(direction, Keyword::FROM | Keyword::IN) {
        tokens.insert(1, at(one));
    } else if matches!(direction, Keyword::FORWARD | Keyword::BACKWARD) && wants_number(2) {
        tokens.insert(2, at(one));
    }
    // Merges a sign with its number.
    if let Some(place) = tokens.iter().position(|token| token.token == Token::Minus)
        && let Some(Token::Number(digits, _)) = tokens.get(place + 1).map(|token| token.token.clone())
    {
        tokens[place].token = Token::Number(format!("-{digits}"), false);
        tokens.remove(place + 1);
    }
}

/// Rewrites a statement over tables, in place.
pub(super) fn rewrite(statement: &mut Statement, snapshot: &Snapshot, client: &Client) {
    let _never = statement.visit(&mut Rewriter { snapshot, client });
}

struct Rewriter<'a> {
    snapshot: &'a Snapshot,
    client: &'a Client,
}

impl Rewriter<'_> {
    fn relation(&self, name: &mut ObjectName) {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident().map(fold)).collect();
        match parts.as_slice() {
            // PostgreSQL allows the name of the current database before a schema.
            [database, _, _] if *database == self.client.database => drop(name.0.remove(0)),
            // Catalogs are on the search path.
            [table] if self.snapshot.is_catalog(table) => {
                name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
            }
            _ => {}
        }
    }

    /// Evaluates a function that returns a property of the session, such as the user.
    fn of_session(&self, expr: &Expr) -> Option<(&'static str, Expr)> {
        let mut name = match expr {
            Expr::Function(function) if is_empty(&function.args) => function.name.clone(),
            Expr::Identifier(ident) if ident.quote_style.is_none() => ObjectName::from(vec![ident.clone()]),
            _ => return None,
        };
        bare(&mut name);
        let called = name.0.first().and_then(ObjectNamePart::as_ident).map(fold)?;
        let is_call = matches!(expr, Expr::Function(_));
        let text = |value: &str| Expr::Value(Value::SingleQuotedString(value.to_owned()).into());
        Some(match called.as_str() {
            "current_database" if is_call => ("current_database", text(&self.client.database)),
            "current_catalog" => ("current_catalog", text(&self.client.database)),
            "current_schema" => ("current_schema", text("public")),
            "current_user" => ("current_user", text(&self.client.user)),
            "session_user" => ("session_user", text(&self.client.user)),
            "current_role" => ("current_role", text(&self.client.user)),
            "user" if is_call => ("user", text(&self.client.user)),
            "pg_backend_pid" if is_call => {
                ("pg_backend_pid", Expr::Value(Value::Number(self.client.pid.to_string(), false).into()))
            }
            _ => return None,
        })
    }
}

fn is_empty(args: &FunctionArguments) -> bool {
    match args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::Subquery(_) => false,
    }
}

/// Removes the schema of a function.
fn bare(name: &mut ObjectName) {
    let is_catalog = |part: &ObjectNamePart| part.as_ident().is_some_and(|ident| fold(ident) == "pg_catalog");
    if name.0.len() == 2 && is_catalog(&name.0[0]) {
        name.0.remove(0);
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.relation(name),
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => bare(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some((name, _)) = self.of_session(expr)
            {
                let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::new(name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((_, value)) = self.of_session(expr) {
            *expr = value;
            return ControlFlow::Continue(());
        }
        while let Expr::Collate { expr: inner, .. } = expr {
            let inner = std::mem::replace(&mut **inner, Expr::Identifier(Ident::new("")));
            *expr = inner;
        }
        match expr {
            Expr::Function(Function { name, .. }) => bare(name),
            Expr::BinaryOp { op, .. } => {
                if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                    && let Some(known) = parts.last().and_then(|sign| operator(sign))
                {
                    *op = known;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Returns the operator of `OPERATOR(pg_catalog.~)`.
fn operator(sign: &str) -> Option<BinaryOperator> {
    Some(match sign {
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        _ => return None,
    })
}
