//! Permits for the memory of requests from their first byte to their answer, with a common limit.

use super::refusal::{RETRY_AFTER, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of one request, released on drop.
pub(super) struct InflightPermit {
    taken: Arc<AtomicUsize>,
    bytes_max: usize,
    bytes: usize,
}

impl InflightPermit {
    /// Creates an empty permit; all permits share the limit `bytes_max` and the counter `taken`.
    pub(super) fn new(taken: Arc<AtomicUsize>, bytes_max: usize) -> InflightPermit {
        InflightPermit { taken, bytes_max, bytes: 0 }
    }

    /// Reserves more. A request larger than the whole limit is accepted while no other is in flight; otherwise it never
    /// could be.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let before = self.grow(bytes);
        let others = before.saturating_sub(self.bytes - bytes);
        let limit = self.bytes_max;
        if others > 0 && before.saturating_add(bytes) > limit {
            let reason =
                format!("{before} bytes are in flight, {bytes} more would exceed the limit of {limit} (inflight)");
            return Err(Refusal::Busy { retry_after: RETRY_AFTER, reason });
        }
        Ok(())
    }

    /// Reserves more even beyond the limit; later requests are then rejected. Returns the bytes that all permits had before.
    pub(super) fn grow(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.taken.fetch_add(bytes, Ordering::AcqRel)
    }

    /// Returns the reserved bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Splits part of this permit off into a new one.
    pub(super) fn split(&mut self, bytes: usize) -> InflightPermit {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        InflightPermit { taken: self.taken.clone(), bytes_max: self.bytes_max, bytes }
    }

    /// Releases bytes that are no longer needed.
    pub(super) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.taken.fetch_sub(bytes, Ordering::AcqRel);
    }
}

impl Drop for InflightPermit {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_take_is_bounded_and_one_alone_is_taken_in_any_case() {
        let taken = Arc::<AtomicUsize>::default();
        let room = || InflightPermit::new(taken.clone(), 100);
        let (mut first, mut second) = (room(), room());
        first.take(60).unwrap();
        second.take(40).unwrap();
        assert!(second.take(1).is_err());
        drop(second);
        first.take(1000).unwrap();
        first.give_back(1020);
        assert_eq!(taken.load(Ordering::Relaxed), 40);
        let part = first.split(30);
        drop(first);
        assert_eq!(taken.load(Ordering::Relaxed), 30);
        drop(part);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
