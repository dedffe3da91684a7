//! How much a statement would grow, told before it is parsed and before it is planned.
//!
//! The parser tries several readings of what stands behind a word and a parenthesis, each anew: it takes twice as long
//! for each call within a call, whatever its recursion limit. Eighty bytes would keep it busy for good.

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Statement, Visit as _, Visitor};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Words before a parenthesis that begin no call.
const NO_CALLS: [&str; 24] = [
    "and", "or", "not", "in", "where", "select", "from", "join", "on", "values", "exists", "as", "by", "when", "then",
    "else", "having", "union", "all", "like", "between", "into", "over", "using",
];

/// The greatest number of calls within one another, or of `INTERVAL` in a row. Quoted text does not count.
pub(crate) fn depth(sql: &str) -> usize {
    let mut open: Vec<bool> = Vec::new();
    let (mut calls, mut intervals, mut deepest) = (0_usize, 0_usize, 0_usize);
    let mut word: Option<&str> = None;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => quoted(rest, first),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            ',' | '\'' | '"' | '`' => intervals = 0,
            '(' => {
                let is_call = word.is_some_and(|word| !NO_CALLS.iter().any(|no| word.eq_ignore_ascii_case(no)));
                open.push(is_call);
                calls += usize::from(is_call);
            }
            ')' => calls -= usize::from(open.pop().unwrap_or(false)),
            _ => {}
        }
        if is_word(first) {
            let is_interval = rest[..length].eq_ignore_ascii_case("interval");
            intervals = if is_interval { intervals + 1 } else { 0 };
        }
        deepest = deepest.max(calls).max(intervals);
        if !first.is_whitespace() {
            // A closed call may be called in turn.
            let names = is_word(first) || matches!(first, '"' | '`' | ')' | ']');
            word = names.then(|| &rest[..length]);
        }
        rest = &rest[length..];
    }
    deepest
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

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of a quoted text, to its end or to that of the statement.
fn quoted(rest: &str, quote: char) -> usize {
    rest[1..].find(quote).map_or(rest.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::{depth, relations};
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    #[test]
    fn names_count_as_often_as_what_they_stand_for() {
        let count = |sql: &str| relations(&Parser::parse_sql(&GenericDialect {}, sql).unwrap()[0]);
        assert_eq!(count("SELECT 1"), 1);
        assert_eq!(count("SELECT * FROM a JOIN b ON a.x = b.x WHERE y IN (SELECT y FROM c)"), 3);
        assert_eq!(count("WITH n AS (SELECT * FROM a, b) SELECT * FROM n, n"), 4);
        let bomb = |depth: u32| {
            (1..=depth).fold("WITH a0 AS (SELECT 1 x)".to_owned(), |sql, n| {
                format!("{sql}, a{n} AS (SELECT l.x FROM a{} l, \"a{}\" r)", n - 1, n - 1)
            }) + &format!(" SELECT * FROM a{depth}")
        };
        assert_eq!(count(&bomb(10)), 1024);
        assert_eq!(count(&format!("SELECT * FROM ({})", bomb(80))), u64::MAX);
    }

    #[test]
    fn calls_within_calls_count() {
        assert_eq!(depth("SELECT a FROM t WHERE (b = 1 AND (c = 2 OR (d IN (1, 2))))"), 0);
        assert_eq!(depth("SELECT f(1), g(2), h(3)"), 1);
        assert_eq!(depth("SELECT coalesce(lower(trim (a)), f('((('))"), 3);
        assert_eq!(depth("SELECT f(1)(2)"), 1);
        assert_eq!(depth(&"f(".repeat(40)), 40);
        assert_eq!(depth("SELECT INTERVAL INTERVAL '1 day', INTERVAL '1'"), 2);
        assert_eq!(depth("SELECT 'open"), 0);
        assert_eq!(depth("ö(ü(ß)))"), 2);
    }
}
