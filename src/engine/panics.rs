//! Work that panics costs what it was at, and not the process.

pub(super) use crate::model::panics::{Panicked, caught, caught_now};
