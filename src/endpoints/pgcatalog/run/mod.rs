//! Runs a plan row by row. It has no limits of its own: it runs in a query worker, which has.

mod eval;
mod group;
mod operators;
mod query;
mod rows;
mod windows;

use super::fault::Result;
use super::names::Names;
use super::plan::{Query, Subquery};
use super::relations::of_session;
use super::snapshot::{Index, Relation, index};
use super::statement::Statement;
use super::types::Oid;
use super::value::{Row, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// A running statement.
pub(super) struct Run<'a> {
    statement: Statement<'a>,
    parameters: Vec<Value>,
    /// Cached rows of uncorrelated subqueries and of `WITH`.
    kept: RefCell<HashMap<usize, Arc<Vec<Row>>>>,
    indexes: RefCell<HashMap<(usize, usize), Arc<Index>>>,
    of_session: RefCell<HashMap<Oid, Arc<Vec<Row>>>>,
}

/// The row for which an expression is evaluated, and the rows of the outer queries.
#[derive(Clone, Copy)]
struct Frame<'f> {
    items: &'f [Option<Row>],
    outer: Option<&'f Frame<'f>>,
}

/// Whether more rows are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    More,
    Enough,
}

impl<'a> Run<'a> {
    pub(super) fn new(names: Names<'a>, parameters: Vec<Value>) -> Run<'a> {
        Run {
            statement: Statement::new(names),
            parameters,
            kept: RefCell::default(),
            indexes: RefCell::default(),
            of_session: RefCell::default(),
        }
    }

    /// Returns the rows of a query.
    pub(super) fn answer(&self, query: &Query) -> Result<Vec<Row>> {
        self.query(query, None, None)
    }

    fn names(&self) -> Names<'a> {
        self.statement.names()
    }

    fn relation_rows(&self, relation: &Relation) -> Arc<Vec<Row>> {
        let oid = relation.definition.oid;
        if let Some(rows) = self.of_session.borrow().get(&oid) {
            return rows.clone();
        }
        match of_session(self.statement.client, &relation.definition) {
            Some(rows) => {
                let rows = Arc::new(rows);
                self.of_session.borrow_mut().insert(oid, rows.clone());
                rows
            }
            None => self.statement.snapshot.rows(relation),
        }
    }

    fn relation_index(&self, relation: &Relation, column: usize) -> Arc<Index> {
        let rows = self.relation_rows(relation);
        if self.of_session.borrow().contains_key(&relation.definition.oid) {
            return Arc::new(index(&rows, column));
        }
        self.statement.snapshot.index(relation, column)
    }

    /// Returns the rows of a subquery.
    fn subquery(&self, subquery: &Subquery, frame: Option<&Frame<'_>>, most: Option<usize>) -> Result<Arc<Vec<Row>>> {
        if subquery.correlated {
            return self.query(&subquery.query, frame, most).map(Arc::new);
        }
        if let Some(rows) = self.kept.borrow().get(&subquery.id) {
            return Ok(rows.clone());
        }
        let rows = Arc::new(self.query(&subquery.query, frame, None)?);
        self.kept.borrow_mut().insert(subquery.id, rows.clone());
        Ok(rows)
    }

    fn kept_index(&self, id: usize, rows: &[Row], column: usize) -> Arc<Index> {
        self.indexes.borrow_mut().entry((id, column)).or_insert_with(|| Arc::new(index(rows, column))).clone()
    }
}
