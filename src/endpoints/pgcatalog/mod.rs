//! `PostgreSQL`'s system catalogs, and the engine that answers queries over them.
//!
//! What clients ask the catalogs needs `PostgreSQL`'s own semantics: subqueries that read the row around them wherever they
//! stand, `LATERAL`, arrays with bounds, functions in a list that give rows, rows as values, names that are oids. So a query
//! that reads catalogs alone is planned and run here, over rows that are there already; whatever reads a table goes to
//! `DataFusion`, which sees the catalogs as tables, too. Which of the two answers is decided by the relations and functions
//! that a query names ([`reads`]), never by its text.
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
