//! Converts sums and histograms from one temporality to the other, for targets that accept only one of them: deltas are summed
//! up, and cumulative values become the difference from the last point.

mod digest;
pub(super) mod exponential;
pub(super) mod faults;
mod histogram;
pub(super) mod identity;
mod left_out;
pub mod point_flags;
mod points;
mod state;
mod steps;
pub(super) mod to_cumulative;
mod to_delta;

#[cfg(test)]
mod tests;

pub(super) use points::count_points;
pub use to_delta::{EXPONENTIAL_TOTAL, Initial, Rules, ToDelta};
