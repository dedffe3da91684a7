//! Layer 2: admission and decoding. It does not depend on the readers of the log.

pub mod admission;
pub mod decode;
pub mod receivers;

mod attached;
mod dedup_cache;
mod inflate;
mod inflight;
mod refusal;

pub use admission::{Admission, IngestSettings};
pub use attached::Attached;
pub use refusal::Refusal;
