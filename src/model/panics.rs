//! Catches panics, so that they fail one unit of work and not the process: external input must not be able to stop it.

use futures::FutureExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Message of a panic.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(crate) struct Panicked(String);

/// Runs a future and catches a panic. State that it changes must be valid at every step, or restored by the caller.
pub(crate) fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    AssertUnwindSafe(Box::pin(work)).catch_unwind().map(|done| done.map_err(|panic| said(&*panic)))
}

/// As [`caught`], for synchronous work.
pub(crate) fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn std::any::Any + Send)) -> Panicked {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Panicked(text.unwrap_or("without a word").to_owned())
}
