//! Work that panics costs what it was at, and not the process: what comes in from outside must not be able to end it.

use futures::FutureExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic said.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(crate) struct Panicked(String);

/// Runs work to its end or its panic. Whatever it was changing must be put right, or be right at every step.
pub(crate) fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    AssertUnwindSafe(Box::pin(work)).catch_unwind().map(|done| done.map_err(|panic| said(&*panic)))
}

/// As [`caught`], for work that does not wait.
pub(crate) fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn std::any::Any + Send)) -> Panicked {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Panicked(text.unwrap_or("without a word").to_owned())
}
