//! One of those who count for a series.

use super::total::Total;

/// What a sender takes in memory besides buckets, in bytes, roughly.
pub(super) const SENDER_BYTES: usize = 200;

/// What a sender last said.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) start: u64,
    /// Nothing is known to have begun at its start: a point said so by a time of its own that is the same.
    pub(super) begins_unknown: bool,
    pub(super) last: u64,
    /// Of one whose points are running totals.
    pub(super) total: Option<Total>,
    /// It has said that it counts no more.
    pub(super) has_ended: bool,
}

impl Sender {
    pub(super) fn bytes(&self) -> usize {
        SENDER_BYTES + 8 * self.total.as_ref().map_or(0, Total::weight)
    }
}
