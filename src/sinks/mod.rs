//! Layer 2: what leaves the process. A folder a target; delivery is written once. It does not know how findings are made.

pub mod settings;
