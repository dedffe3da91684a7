//! How deep a statement nests, told before anything walks it. A chain (`1+1+…`, `… OR … OR …`, `… UNION ALL …`) nests to
//! the left, as deep as it is long: no bound of the parser's holds it, and whoever walks or drops it needs as much stack.

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, SelectItem, SetExpr, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Steps that a query within a query adds to the plan: its filter, groups, order, and so on.
const OF_QUERY: usize = 4;

/// The most words and signs that stand in one row, from the first within each open parenthesis to the last: the tree
/// cannot nest deeper. Linear in the text; a text without tokens has no tree either.
pub(super) fn of_text(sql: &str, dialect: &dyn Dialect) -> usize {
    let Ok(tokens) = Tokenizer::new(dialect, sql).tokenize() else { return 0 };
    let (mut open, mut row, mut all, mut deepest) = (Vec::new(), 0_usize, 0_usize, 0_usize);
    for token in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => open.push(std::mem::take(&mut row)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                all -= row;
                row = open.pop().unwrap_or_default();
            }
            Token::Comma | Token::SemiColon => {
                all -= row;
                row = 0;
                continue;
            }
            _ => {}
        }
        row += 1;
        all += 1;
        deepest = deepest.max(all);
    }
    deepest
}

/// How deep a tree nests where each name of a `WITH` is written out, as the planner does.
pub(super) fn of_tree(statement: &impl Visit) -> usize {
    let mut depth = Depth { of_queries: vec![Level::default()], ..Depth::default() };
    let _never = statement.visit(&mut depth);
    depth.of_queries.first().map_or(0, |outermost| outermost.deepest)
}

/// The most columns that one `SELECT` lists, where `*` counts as so many.
pub(super) fn columns(statement: &impl Visit, of_star: usize) -> usize {
    let mut columns = Columns { of_star, most: 0 };
    let _never = statement.visit(&mut columns);
    columns.most
}

#[derive(Default)]
struct Depth {
    now: usize,
    /// Of the queries that are being walked, the outermost first.
    of_queries: Vec<Level>,
    /// Where the query of each name of a `WITH` stands in memory.
    named: HashMap<usize, String>,
    of_names: HashMap<String, usize>,
}

#[derive(Default, Clone, Copy)]
struct Level {
    begins: usize,
    deepest: usize,
}

impl Depth {
    fn down(&mut self, steps: usize) {
        self.now += steps;
        self.note(self.now);
    }

    fn up(&mut self, steps: usize) {
        self.now = self.now.saturating_sub(steps);
    }

    fn note(&mut self, depth: usize) {
        if let Some(level) = self.of_queries.last_mut() {
            level.deepest = level.deepest.max(depth);
        }
    }
}

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(place(&named.query), named.alias.name.value.to_lowercase());
        }
        self.of_queries.push(Level { begins: self.now, deepest: self.now });
        self.down(OF_QUERY + arms(&query.body));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let level = self.of_queries.pop().unwrap_or_default();
        self.now = level.begins;
        match self.named.remove(&place(query)) {
            // Where two have a name, the deeper one counts.
            Some(name) => {
                let known = self.of_names.entry(name).or_default();
                *known = (*known).max(level.deepest - level.begins);
            }
            None => self.note(level.deepest),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.to_string().replace(['"', '`'], "").to_lowercase();
        self.note(self.now + 1 + self.of_names.get(&name).copied().unwrap_or_default());
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.down(joins(select));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.up(joins(select));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.down(of_factor(factor));
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.up(of_factor(factor));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.down(of_expression(expression));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.up(of_expression(expression));
        ControlFlow::Continue(())
    }
}

fn joins(select: &Select) -> usize {
    select.from.iter().map(|table| table.joins.len() + 1).sum()
}

fn of_factor(factor: &TableFactor) -> usize {
    match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => 1 + table_with_joins.joins.len(),
        _ => 1,
    }
}

fn of_expression(expression: &Expr) -> usize {
    match expression {
        Expr::CompoundFieldAccess { access_chain, .. } => 1 + access_chain.len(),
        Expr::CompoundIdentifier(parts) => parts.len(),
        _ => 1,
    }
}

/// How deep the arms of `UNION` and its like nest: without recursion, for there can be thousands.
fn arms(body: &SetExpr) -> usize {
    let (mut left, mut deepest) = (vec![(body, 0)], 0);
    while let Some((body, depth)) = left.pop() {
        deepest = deepest.max(depth);
        if let SetExpr::SetOperation { left: one, right: other, .. } = body {
            left.push((one, depth + 1));
            left.push((other, depth + 1));
        }
    }
    deepest
}

fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

struct Columns {
    of_star: usize,
    most: usize,
}

impl Visitor for Columns {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let count = select.projection.iter().map(|item| match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => self.of_star,
            _ => 1,
        });
        self.most = self.most.max(count.sum());
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn tree(sql: &str) -> usize {
        of_tree(&Parser::parse_sql(&GenericDialect {}, sql).unwrap())
    }

    fn text(sql: &str) -> usize {
        of_text(sql, &GenericDialect {})
    }

    #[test]
    fn chains_are_as_deep_as_they_are_long() {
        let shallow = tree("SELECT 1");
        for (chain, terms) in [
            (vec!["1"; 200].join("+"), 199),
            (vec!["a = 1"; 200].join(" OR "), 200),
            (vec!["'a'"; 200].join("||"), 199),
            (format!("a{}", "[1]".repeat(200)), 201),
        ] {
            assert_eq!(tree(&format!("SELECT {chain}")) - shallow, terms, "{chain}");
        }
        assert_eq!(tree(&vec!["SELECT 1"; 200].join(" UNION ALL ")) - shallow, 199);
        assert_eq!(tree(&format!("SELECT 1 IN ({})", vec!["1"; 200].join(","))) - shallow, 1);
    }

    #[test]
    fn names_of_a_with_are_written_out() {
        let chain = (1..100)
            .fold("WITH a0 AS (SELECT 1 x)".to_owned(), |sql, n| format!("{sql}, a{n} AS (SELECT x FROM a{})", n - 1));
        assert!(tree(&format!("{chain} SELECT * FROM a99")) > 99 * OF_QUERY);
        assert!(tree(&format!("{chain} SELECT * FROM a1")) < 5 * OF_QUERY);
    }

    #[test]
    fn the_text_bounds_the_tree() {
        // SELECT, and then what stands between two commas, with what stands before each open parenthesis.
        assert_eq!(text("SELECT a, b + c, d"), 3);
        assert_eq!(text("SELECT a + (b + (c), d) , e"), 8);
        assert_eq!(text(&format!("SELECT {}", vec!["1"; 1000].join("+"))), 2000);
        assert_eq!(text("SELECT '+ + + +' /* + + + */"), 2);
        assert_eq!(text(")))"), 1);
    }

    #[test]
    fn a_star_counts_as_many_columns() {
        let count = |sql: &str| columns(&Parser::parse_sql(&GenericDialect {}, sql).unwrap(), 50);
        assert_eq!(count("SELECT a, b, *, t.* FROM t"), 102);
        assert_eq!(count("SELECT 1 FROM (SELECT a, b FROM t) s"), 2);
    }
}
