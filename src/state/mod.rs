//! Layer 1: the state database, in `SQLite` with `synchronous=FULL`, so that related changes are committed atomically. It has
//! cursors, rollup parts, keyed state of the engine, dead letters, sent notifications, and when readers of the log began.

mod database;
mod dead_letters;
mod ipc;
mod migrations;
mod notifications;
mod reader_starts;
mod transaction;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use database::{RollupPart, State};
pub use dead_letters::{DEAD_LETTERS_MAX, DeadLetter, StoredDeadLetter};
pub use notifications::StoredNotification;
pub use transaction::{StateError, StateTransaction};
