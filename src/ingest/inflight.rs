//! Permits for memory that requests take from their first byte to their answer, of which there is a bound.

use super::refusal::{RETRY_AFTER, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory that one request takes while it lives.
pub(super) struct InflightPermit {
    taken: Arc<AtomicUsize>,
    bytes_max: usize,
    bytes: usize,
}

impl InflightPermit {
    /// None yet, of `bytes_max` that all have together; `taken` is what they have taken.
    pub(super) fn new(taken: Arc<AtomicUsize>, bytes_max: usize) -> InflightPermit {
        InflightPermit { taken, bytes_max, bytes: 0 }
    }

    /// Takes more. A request that is larger than all the room is taken when it is alone, else it never could be.
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

    /// Takes more, whether it is there or not: the next request is refused then. What was taken before, by all.
    pub(super) fn grow(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.taken.fetch_add(bytes, Ordering::AcqRel)
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A permit of its own for some of what this one holds.
    pub(super) fn split(&mut self, bytes: usize) -> InflightPermit {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        InflightPermit { taken: self.taken.clone(), bytes_max: self.bytes_max, bytes }
    }

    /// Gives back what is not held any more.
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
