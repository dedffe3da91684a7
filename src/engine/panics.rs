//! Catches panics, so that one costs only the work in progress and not the process.

pub(super) use crate::model::panics::{Panicked, caught, caught_now};
