//! Sums and histograms from one temporality to the other, for targets that take only one of them.

pub(super) mod exponential;
pub(super) mod identity;
pub(super) mod to_cumulative;
