//! Rollups: partial rows of windows, added to, never closed. What a flush makes of new rows is added to the
//! finest resolution of its table, and compaction makes coarser rows of it.

mod cap;
mod merge;
mod retention;
mod table;

pub(crate) use cap::OVERFLOW;
pub use retention::Retention;
pub(crate) use table::{NewPart, RollupTable};
