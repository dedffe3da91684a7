//! A query over the catalogs, from its tree to its rows.

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
    /// Plans a query; `declared` are the types that the client names for its parameters, 0 where it names none.
    pub(in crate::endpoints) fn new(
        snapshot: Arc<Snapshot>,
        client: &Client,
        query: &ast::Query,
        declared: &[u32],
    ) -> Result<Planned, Fault> {
        let bound = bind::bind(Names { snapshot: &snapshot, client }, query, declared)?;
        Ok(Planned { snapshot, bound })
    }

    /// The oids of its parameters' types.
    pub(super) fn parameters(&self) -> &[u32] {
        &self.bound.parameters
    }

    /// The type of an array's items.
    pub(super) fn elem(&self, kind: u32) -> Option<u32> {
        self.snapshot.system.types.elem(kind)
    }

    /// The names of its columns and the oids of their types.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, u32)> {
        self.bound.query.columns.iter().map(|column| (&*column.name, wire::reported(column.ty.oid)))
    }

    /// Runs it.
    pub(super) fn run(&self, client: &Client, parameters: Vec<Value>) -> Result<Vec<Row>, Fault> {
        run::Run::new(Names { snapshot: &self.snapshot, client }, parameters).answer(&self.bound.query)
    }

    /// Writes one value as the wire has it; `None` is NULL.
    pub(super) fn write(&self, client: &Client, row: &Row, column: usize, binary: bool) -> Option<Vec<u8>> {
        let names = Names { snapshot: &self.snapshot, client };
        let kind = self.bound.query.columns.get(column).map_or(types::TEXT, |column| column.ty.oid);
        wire::write(&names, row.get(column)?, kind, binary)
    }
}

/// The catalogs over some tables.
pub(in crate::endpoints) fn snapshot(tables: Vec<UserTable>) -> Snapshot {
    Snapshot::new(tables, relations::rows)
}
