//! Rollups: partial rows of windows, added to, never closed. What a flush makes of new rows is merged into each
//! resolution of its table at once.

mod cap;
mod merge;
mod table;

pub(crate) use cap::OVERFLOW;
pub use table::Retention;
pub(crate) use table::{Joined, RollupTable};
