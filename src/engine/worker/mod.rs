//! Queries from outside run in processes of their own: *query workers*. A statement can make any part of the parser, the
//! planner or an operator compute for hours or take any memory, and nothing inside a process can stop that for sure. The
//! system can: a worker is killed at its deadline or when its client leaves, and it has a limit on memory of its own.
//!
//! ```text
//! endpoints ──> Queries, pool ──> call ───socket───> serve ──> session: tables, views, a dialect
//!                                   └─ scan <──rows asked for── remote tables
//! ```
//!
//! The server sends a text and its parameters. The worker parses, plans and runs it, asks the server for the rows of the
//! tables that it reads, and sends the answer back as it comes. Neither side sends more than the other has asked for.

mod answer;
mod call;
mod catalog;
mod codec;
mod dialect;
mod handle;
mod launch;
mod limits;
mod link;
mod memory;
mod message;
mod plans;
mod pool;
mod queries;
mod remote;
mod remote_scan;
mod request;
mod scan;
mod serve;
mod session;
mod sieve;

pub use answer::Answer;
pub(super) use answer::Finished;
pub use catalog::{Offered, OfferedTable, View};
pub use dialect::{Dialect, Meaning, Plain, Settings, SqlFault, TableAbout};
pub use launch::{COMMAND, Launch};
pub use limits::confine;
pub(crate) use memory::{least_total, resident_bytes, total_by_default};
pub use message::Read;
pub use pool::PoolSettings;
pub use queries::Queries;
pub use request::Request;
pub use serve::serve;
