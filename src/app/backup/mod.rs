//! `spanwise backup` and `spanwise restore`: the state and the log of a server that may be running.
//!
//! The state is copied first, by `SQLite` in one transaction, then the log up to its last whole frame. So no cursor in the
//! copy is after the end of the log, and a server continues from there. Segments are opened before the state is copied, so
//! one that the server deletes meanwhile is still in the backup.

mod copy;
mod manifest;
mod progress;
mod restore;
mod save;

pub(super) use manifest::Manifest;
pub(super) use progress::Progress;
pub(super) use restore::restore;
pub(super) use save::backup;
