//! `PostgreSQL`'s system catalogs, and an engine for queries over them.
//!
//! Catalog queries of clients need `PostgreSQL`'s semantics: correlated subqueries anywhere, `LATERAL`, arrays with bounds,
//! set-returning functions in the list, rows as values, names as oids. A query that reads only catalogs is planned and run
//! here, over rows in memory. Any query that reads a table goes to `DataFusion`, which also sees the catalogs as tables. The
//! engine is selected by the relations and functions in the query ([`reads`]), never by its text.
//!
//! *Must not know*: the wire, and how tables are stored.

mod bind;
mod cells;
mod client;
mod definitions;
mod fault;
mod functions;
mod io;
mod names;
mod node;
mod own_functions;
mod plan;
mod planned;
mod relations;
mod route;
mod run;
mod snapshot;
mod statement;
mod system;
mod tables;
mod types;
mod value;
mod wire;

#[cfg(test)]
mod tests;

pub(super) use bind::every_field;
pub(super) use cells::{described, parameters, read, sets};
pub(super) use client::{Client, Setting};
pub(super) use fault::Fault;
pub(super) use functions::VERSION;
pub(super) use node::{Planner, plan};
pub(super) use planned::{Planned, snapshot};
pub(super) use route::{Reads, reads};
pub(super) use snapshot::{Snapshot, UserColumn, UserTable};
pub(super) use tables::Tables;
pub(super) use wire::numeric;
