//! Layer 2: hot tables in memory and the state database. It does not depend on analyses or exporters.

mod held;
mod hot;
mod ipc;
mod snapshot;
mod state;

pub use hot::{Coverage, Evicted, HotStore, NewRows};
pub use snapshot::{Part, SnapshotTable, TimeBounds};
pub use state::{RollupPart, State, StateError, StateTransaction};
