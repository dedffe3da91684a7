//! Map literals, such as `{'a': 1, 'b': 2}` of Cassandra, ClickHouse and DuckDB. Their keys are data, so a map with
//! many entries is folded to one entry, like a list. Keys that are names (`{name: 'x'}`) remain.

use super::tokens::{is_literal, is_space, next};
use datafusion::sql::sqlparser::tokenizer::Token;
use std::collections::HashSet;

/// Keeps each kind of entry once. In a truncated statement, an open map also loses its last entry.
pub(super) fn folded(tokens: Vec<Token>, whole: bool) -> Vec<Token> {
    if !tokens.contains(&Token::LBrace) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len());
    let mut open = Vec::new();
    for token in tokens {
        match token {
            Token::LBrace => open.push(out.len() + 1),
            Token::RBrace => {
                if let Some(start) = open.pop() {
                    fold(&mut out, start, false);
                }
            }
            _ => {}
        }
        out.push(token);
    }
    if !whole {
        while let Some(start) = open.pop() {
            fold(&mut out, start, true);
        }
    }
    out
}

/// Folds the tokens after `start`.
fn fold(out: &mut Vec<Token>, start: usize, is_cut: bool) {
    let mut entries = entries(&out[start..]);
    if is_cut {
        entries.pop();
    }
    if entries.is_empty() || !entries.iter().all(|entry| is_entry(entry)) {
        return;
    }
    let mut known = HashSet::new();
    entries.retain(|entry| known.insert(shape(entry)));
    let kept = entries.join(&Token::Comma);
    out.truncate(start);
    out.extend(kept);
}

/// Splits the tokens at commas outside brackets.
fn entries(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        match token {
            Token::LBrace | Token::LBracket | Token::LParen => depth += 1,
            Token::RBrace | Token::RBracket | Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Comma
    });
    parts.collect()
}

/// Returns whether it is a literal, a colon and a value.
fn is_entry(tokens: &[Token]) -> bool {
    let key = next(tokens, 0).map(|at| if matches!(tokens[at], Token::Minus | Token::Plus) { at + 1 } else { at });
    key.filter(|key| tokens.get(*key).is_some_and(is_literal))
        .and_then(|key| next(tokens, key + 1))
        .is_some_and(|colon| tokens[colon] == Token::Colon)
}

/// Returns an entry without its literals.
fn shape(tokens: &[Token]) -> String {
    let words = tokens.iter().filter(|token| !is_space(token) && !matches!(token, Token::Minus | Token::Plus));
    words.map(|token| if is_literal(token) { "?".to_owned() } else { token.to_string() }).collect::<Vec<_>>().join(" ")
}
