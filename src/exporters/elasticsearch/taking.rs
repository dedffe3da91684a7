//! When a cluster last accepted anything of a signal. Distinguishes faults in a document's own destination from faults that
//! affect all documents, such as a missing permission of the key, which people can fix.

use crate::model::signal::Signal;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// How long a signal counts as accepted.
const LATELY: Duration = Duration::from_mins(10);

/// By signal, because each has its own indexes and permissions.
#[derive(Debug, Default)]
pub(super) struct Taking(Mutex<[Option<Instant>; Signal::ALL.len()]>);

impl Taking {
    pub(super) fn note(&self, signal: Signal, now: Instant) {
        self.0.lock()[signal as usize] = Some(now);
    }

    pub(super) fn is_lately(&self, signal: Signal, now: Instant) -> bool {
        let last = self.0.lock()[signal as usize];
        last.is_some_and(|last| now.saturating_duration_since(last) < LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_counts_for_its_signal_and_for_ten_minutes() {
        let (taking, now) = (Taking::default(), Instant::now());
        taking.note(Signal::Logs, now);
        let lately = |signal, minutes| taking.is_lately(signal, now + Duration::from_mins(minutes));
        assert_eq!([0, 9, 10].map(|minutes| lately(Signal::Logs, minutes)), [true, true, false]);
        assert!(!lately(Signal::Metrics, 0));
    }
}
