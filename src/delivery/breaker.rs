//! A circuit breaker: a target that does not answer is tried by one sender at a time, no earlier than it asks for.

use super::backoff::ASKED_MAX;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// Consecutive failures that open the circuit.
pub(super) const OPEN_AFTER: u32 = 3;

/// Shared by everything that sends one signal to one target.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    not_before: Mutex<Option<Instant>>,
    probe: tokio::sync::Mutex<()>,
}

/// Permission to send. While the circuit is open there is only one. The holder keeps it for one wait, so that a target that is
/// down is retried at that pace, then passes it on: a batch that fails by itself must not hold up those that would be accepted.
pub(super) type Turn<'a> = Option<MutexGuard<'a, ()>>;

impl Breaker {
    /// Waits until the target may be tried.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let turn = if self.is_open() { Some(self.probe.lock().await) } else { None };
        // Checked again after acquiring the turn: the previous holder may have been asked to wait.
        while let Some(moment) = self.not_before() {
            tokio::time::sleep_until(moment).await;
        }
        // The target came back meanwhile, so the turn must not hold up the others.
        turn.filter(|_| self.is_open())
    }

    /// Closes the circuit after an answer; returns the number of failures before it.
    pub(super) fn answered(&self) -> u32 {
        self.failures.swap(0, Ordering::AcqRel)
    }

    /// Records a failed attempt and, if the target asked for a wait, blocks all senders until it is over. Returns the number of
    /// consecutive failures.
    pub(super) fn failed(&self, asked: Option<Duration>) -> u32 {
        if let Some(wait) = asked {
            let moment = Instant::now() + wait.min(ASKED_MAX);
            let mut not_before = self.not_before.lock();
            *not_before = Some(not_before.map_or(moment, |known| known.max(moment)));
        }
        self.failures.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn is_open(&self) -> bool {
        self.failures.load(Ordering::Acquire) >= OPEN_AFTER
    }

    fn not_before(&self) -> Option<Instant> {
        let not_before = *self.not_before.lock();
        not_before.filter(|moment| *moment > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn an_open_circuit_lets_one_ask_at_a_time_until_it_is_answered() {
        let breaker = Arc::new(Breaker::default());
        assert!(breaker.turn().await.is_none(), "closed: no turn is needed");
        let failures: Vec<u32> = (0..OPEN_AFTER).map(|_| breaker.failed(None)).collect();
        assert_eq!(failures, [1, 2, 3]);
        let turn = breaker.turn().await;
        assert!(turn.is_some());
        let other = breaker.clone();
        let waiting = tokio::spawn(async move { other.turn().await.is_none() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished(), "the second one waits");
        assert_eq!(breaker.answered(), OPEN_AFTER);
        drop(turn);
        assert!(waiting.await.unwrap(), "closed again: it holds nothing");
    }

    #[tokio::test]
    async fn a_targets_mistake_does_not_hold_everybody_for_a_year() {
        let breaker = Breaker::default();
        breaker.failed(Some(Duration::from_secs(u64::MAX)));
        let held = breaker.not_before().expect("the target asked for a wait").saturating_duration_since(Instant::now());
        assert!(held <= ASKED_MAX, "{held:?}");
    }

    #[tokio::test]
    async fn nobody_asks_before_the_time_that_the_target_named() {
        let breaker = Breaker::default();
        let began = Instant::now();
        breaker.failed(Some(Duration::from_millis(70)));
        breaker.failed(Some(Duration::from_millis(30)));
        breaker.turn().await;
        assert!(began.elapsed() >= Duration::from_millis(70), "the longer one holds");
    }
}
