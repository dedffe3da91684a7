//! Layer 2: hot tables in memory. It does not depend on analyses or exporters.

mod held;
mod hot;
mod packed;
mod part;
mod rows_source;
mod snapshot;
mod wanted;

pub use hot::{Coverage, Evicted, HotStore, NewRows};
pub use part::{Part, Stored};
pub use snapshot::SnapshotTable;
pub use wanted::{TimeBounds, Wanted};
