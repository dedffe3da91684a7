//! A planned query over the catalogs.

use super::bind;
use super::client::Client;
use super::fault::Fault;
use super::names::Names;
use super::relations;
use super::run;
use super::snapshot::{Snapshot, UserTable};
use super::types;
use super::value::{Row, Value};
use super::wire;
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

/// A planned query.
#[derive(Debug, Clone)]
pub(in crate::endpoints) struct Planned {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) bound: bind::Bound,
}

impl Planned {
    /// Plans a query. `declared` contains the parameter types that the client specifies, 0 if unspecified.
    pub(in crate::endpoints) fn new(
        snapshot: Arc<Snapshot>,
        client: &Client,
        query: &ast::Query,
        declared: &[u32],
    ) -> Result<Planned, Fault> {
        let bound = bind::bind(Names { snapshot: &snapshot, client }, query, declared)?;
        Ok(Planned { snapshot, bound })
    }

    /// Returns the type oids of its parameters.
    pub(super) fn parameters(&self) -> &[u32] {
        &self.bound.parameters
    }

    /// Returns the element type of an array type.
    pub(super) fn elem(&self, kind: u32) -> Option<u32> {
        self.snapshot.system.types.elem(kind)
    }

    /// Returns the column names and type oids.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, u32)> {
        self.bound.query.columns.iter().map(|column| (&*column.name, wire::reported(column.ty.oid)))
    }

    /// Runs the query.
    pub(super) fn run(&self, client: &Client, parameters: Vec<Value>) -> Result<Vec<Row>, Fault> {
        run::Run::new(Names { snapshot: &self.snapshot, client }, parameters).answer(&self.bound.query)
    }

    /// Formats one value for the wire; `None` is NULL.
    pub(super) fn write(&self, client: &Client, row: &Row, column: usize, binary: bool) -> Option<Vec<u8>> {
        let names = Names { snapshot: &self.snapshot, client };
        let kind = self.bound.query.columns.get(column).map_or(types::TEXT, |column| column.ty.oid);
        wire::write(&names, row.get(column)?, kind, binary)
    }
}

/// Creates the catalogs for a list of tables.
pub(in crate::endpoints) fn snapshot(tables: Vec<UserTable>) -> Snapshot {
    Snapshot::new(tables, relations::rows)
}
