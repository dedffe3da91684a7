//! Layer 2: hot tables in memory and the state database. It does not depend on analyses or exporters.

mod held;
mod hot;
mod ipc;
mod packed;
mod part;
mod rows_source;
mod snapshot;
mod state;
mod wanted;

pub use hot::{Coverage, Evicted, HotStore, NewRows};
pub use part::{Part, Stored};
pub use snapshot::SnapshotTable;
pub use state::{RollupPart, State, StateError, StateTransaction};
pub use wanted::{TimeBounds, Wanted};
