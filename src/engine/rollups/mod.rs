//! Rollups: partial rows of windows, which are never closed. A flush adds rows to a table's finest resolution, and
//! compaction merges them into coarser rows.

mod cap;
mod merge;
mod retention;
mod table;

pub(crate) use cap::OVERFLOW;
pub use retention::Retention;
pub(crate) use table::{NewPart, RollupTable};
