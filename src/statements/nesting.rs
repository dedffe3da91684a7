//! Nesting depth of calls in a statement, computed before the statement is parsed.
//!
//! The parser tries several interpretations of what follows a word, a bracket or a `CASE`, and parses the rest again
//! for each: its time doubles with each nested call, regardless of its recursion limit. Eighty bytes can keep it busy
//! indefinitely. Statements of the user's database clients are parsed in this process, so deeply nested ones are not
//! parsed. SQL queries of clients are parsed in a query worker, which does not need this limit. The depth is counted on
//! the dialect's own tokens, so that comments and quotes cannot hide calls.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Words that do not begin a call before a parenthesis. `EXISTS` and `OVER` are not included: planning time doubles
/// with each nesting of them.
const NO_CALLS: [&str; 16] = [
    "and", "or", "in", "where", "on", "as", "by", "when", "then", "else", "having", "union", "all", "like", "between",
    "using",
];
/// Functions with their own grammar. The parser reads their arguments four times: as that, as a type name, and as any call.
const OWN_GRAMMAR: [&str; 15] = [
    "cast",
    "try_cast",
    "safe_cast",
    "convert",
    "try_convert",
    "extract",
    "substring",
    "substr",
    "trim",
    "ceil",
    "floor",
    "overlay",
    "listagg",
    "not",
    "values",
];

/// Returns the maximum number of calls, subscripts, `CASE` and `INTERVAL` that are open at once. The parser's time
/// doubles with each; constructs that cost more have a higher weight.
pub(crate) fn depth<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> usize {
    let (mut outer, mut open, mut deepest) = (Vec::new(), Open::default(), 0);
    let mut before = None;
    for token in tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        match token {
            Token::LParen => {
                outer.push(open);
                open = open.within(before.map_or(0, call_weight));
            }
            Token::LBracket | Token::LBrace => {
                outer.push(open);
                open = open.within(1);
            }
            Token::RParen | Token::RBracket | Token::RBrace => open = outer.pop().unwrap_or_default(),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => open.cases += 1,
                Keyword::END => open.cases = open.cases.saturating_sub(1),
                Keyword::INTERVAL => open.intervals += 1,
                _ => {}
            },
            // An interval ends with its value.
            Token::Comma | Token::SingleQuotedString(_) | Token::Number(..) | Token::Placeholder(_) => {
                open.intervals = 0;
            }
            _ => {}
        }
        deepest = deepest.max(open.depth());
        before = Some(token);
    }
    deepest
}

/// Constructs that are open at a position.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    /// Depth outside the innermost bracket, including that bracket.
    outside: usize,
    cases: usize,
    intervals: usize,
}

impl Open {
    fn depth(self) -> usize {
        self.outside + self.cases + 2 * self.intervals
    }

    fn within(self, weight: usize) -> Open {
        Open { outside: self.depth() + weight, ..Open::default() }
    }
}

/// Returns the weight of a parenthesis after this token; the result of a call can be called in turn.
fn call_weight(token: &Token) -> usize {
    let Token::Word(word) = token else {
        return usize::from(matches!(token, Token::RParen | Token::RBracket | Token::RBrace));
    };
    let is = |known: &&str| word.quote_style.is_none() && word.value.eq_ignore_ascii_case(known);
    if NO_CALLS.iter().any(is) {
        0
    } else if OWN_GRAMMAR.iter().any(is) {
        2
    } else if is(&"position") {
        // One more for its `IN`.
        3
    } else {
        1
    }
}

#[cfg(test)]
mod tests;
