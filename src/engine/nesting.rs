//! How much a statement would grow, told before it is parsed and before it is planned.
//!
//! The parser tries several readings of what stands behind a word, a bracket or a `CASE`, each anew: it takes twice as long
//! for each call within a call, whatever its recursion limit. Eighty bytes would keep it busy for good. What is counted are
//! the dialect's own tokens, so that no comment and no quote hides anything.

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Statement, Visit as _, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;
use std::collections::HashMap;
use std::ops::ControlFlow;

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

/// How often tables are read once every name of a `WITH` is replaced by what it stands for, as the planner does: a few
/// lines that name one another twice make 2 to the power of their number.
pub(crate) fn relations(statement: &Statement) -> u64 {
    let mut counted = Relations { of_queries: vec![0], ..Relations::default() };
    let _never = statement.visit(&mut counted);
    counted.of_queries.iter().copied().fold(0, u64::saturating_add)
}

#[derive(Default)]
struct Relations {
    /// Of the queries that are being walked, the outermost first.
    of_queries: Vec<u64>,
    /// Where the query of each name of a `WITH` stands in memory.
    named: HashMap<usize, String>,
    of_names: HashMap<String, u64>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(place(&named.query), named.alias.name.value.to_lowercase());
        }
        self.of_queries.push(0);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let count = self.of_queries.pop().unwrap_or_default().max(1);
        match self.named.remove(&place(query)) {
            Some(name) => drop(self.of_names.insert(name, count)),
            None => self.add(count),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let count = self.of_names.get(&relation.to_string().replace(['"', '`'], "").to_lowercase()).copied();
        self.add(count.unwrap_or(1));
        ControlFlow::Continue(())
    }
}

impl Relations {
    fn add(&mut self, count: u64) {
        if let Some(of_query) = self.of_queries.last_mut() {
            *of_query = of_query.saturating_add(count);
        }
    }
}

fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

#[cfg(test)]
mod tests;
