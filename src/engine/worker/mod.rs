//! External queries run in separate processes, the *query workers*. A statement can make any part of the parser, the planner
//! or an operator compute for hours or take any amount of memory, and nothing inside a process can reliably stop that. The
//! system can: a worker is killed at its timeout or when its client disconnects, and has its own memory limit.
//!
//! ```text
//! endpoints ──> Queries, pool ──> call ───socket───> serve ──> session: tables, views, a dialect
//!                                   └─ scan <──rows asked for── remote tables
//! ```
//!
//! The server sends a text and its parameters. The worker parses, plans and runs it, requests the rows of the tables that it
//! reads from the server, and streams the answer back. Neither side sends more than the other has requested (backpressure).

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
