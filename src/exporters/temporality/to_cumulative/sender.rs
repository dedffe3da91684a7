//! One of the senders of a series.

use super::total::Total;

/// Memory of a sender besides buckets, in bytes, approximately.
pub(super) const SENDER_BYTES: usize = 200;

/// Last point of a sender.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) start: u64,
    /// Its start is not a known beginning: one of its points had the same start and time.
    pub(super) begins_unknown: bool,
    pub(super) last: u64,
    /// For senders with cumulative points.
    pub(super) total: Option<Total>,
    /// It has reported its end.
    pub(super) has_ended: bool,
}

impl Sender {
    pub(super) fn bytes(&self) -> usize {
        SENDER_BYTES + 8 * self.total.as_ref().map_or(0, Total::weight)
    }
}
