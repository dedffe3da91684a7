//! How deep calls nest in a statement, known before it is parsed.
//!
//! The parser tries several readings of what stands behind a word, a bracket or a `CASE`, each anew: it takes twice as long
//! for each call within a call, whatever its recursion limit. Eighty bytes would keep it busy for good. Statements of the
//! user's database clients are parsed in this process, so those that nest deep are not; what people ask is parsed in a
//! query worker, which needs no such guard. What is counted are the dialect's own tokens, so that no comment and no quote
//! hides anything.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Words before a parenthesis that begin no call. `EXISTS` and `OVER` are none of them: what plans a statement takes twice
/// as long for each within another.
const NO_CALLS: [&str; 16] = [
    "and", "or", "in", "where", "on", "as", "by", "when", "then", "else", "having", "union", "all", "like", "between",
    "using",
];
/// What has a grammar of its own is read four times: so, as a type's name, and as any other call.
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

/// The greatest number of calls, subscripts, `CASE` and `INTERVAL` that are open at once. The parser's time doubles with
/// each; what costs it more counts more.
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

/// What is open at a place.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    /// Outside the innermost bracket, and that bracket.
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

/// What a parenthesis behind this token counts; a closed call may be called in turn.
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
        // Once more for its `IN`.
        3
    } else {
        1
    }
}

#[cfg(test)]
mod tests;
