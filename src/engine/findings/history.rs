//! Firings of one key, stored with the key's state.

use crate::model::pipeline::Direction;
use serde::{Deserialize, Serialize};

/// How long a firing is kept after its end.
const REMEMBERED_MS: i64 = 24 * 3_600_000;
/// Maximum number of firings per key, so that a flapping key does not grow without limit; the newest are kept.
const OF_KEY_MAX: usize = 20;
/// A time in which a key fired, ms since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fired {
    /// Start of the first window beyond the limit: rows from then on belong to the fault.
    pub(super) from_ms: i64,
    pub(super) since_ms: i64,
    pub(super) ended_ms: Option<i64>,
    /// The value furthest beyond the limit.
    pub(super) worst: Option<f64>,
}

/// Firings of one key, oldest first; the last one may still be open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Fired>);

impl History {
    /// Opens a firing that began at `since_ms`.
    pub(super) fn begin(&mut self, from_ms: i64, since_ms: i64) {
        if self.open().is_some() {
            return;
        }
        self.0.retain(|fired| fired.ended_ms.is_none_or(|ended_ms| since_ms - ended_ms <= REMEMBERED_MS));
        if self.0.len() >= OF_KEY_MAX {
            self.0.drain(..=self.0.len() - OF_KEY_MAX);
        }
        self.0.push(Fired { from_ms, since_ms, ended_ms: None, worst: None });
    }

    /// Records a value beyond the limit.
    pub(super) fn past(&mut self, value: Option<f64>, direction: Direction) {
        let Some(fired) = self.0.last_mut().filter(|fired| fired.ended_ms.is_none()) else { return };
        let further = |value: f64, worst: f64| match direction {
            Direction::Above | Direction::AtLeast => value > worst,
            Direction::Below => value < worst,
        };
        if let Some(value) = value.filter(|value| fired.worst.is_none_or(|worst| further(*value, worst))) {
            fired.worst = Some(value);
        }
    }

    /// Ends the open firing.
    pub(super) fn end(&mut self, now_ms: i64) {
        if let Some(fired) = self.0.last_mut() {
            fired.ended_ms = fired.ended_ms.or(Some(now_ms));
        }
    }

    /// Returns the start of the first window beyond the limit of the open firing.
    pub(super) fn open_from_ms(&self) -> Option<i64> {
        self.open().map(|fired| fired.from_ms)
    }

    pub(super) fn all(&self) -> &[Fired] {
        &self.0
    }

    fn open(&self) -> Option<&Fired> {
        self.0.last().filter(|fired| fired.ended_ms.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_and_goes_is_remembered_within_bounds() {
        let mut history = History::default();
        for n in 0..100 {
            history.begin(n * 1000 - 300, n * 1000);
            history.past(Some(5.0), Direction::Above);
            history.past(Some(7.0), Direction::Above);
            history.past(Some(6.0), Direction::Above);
            history.end(n * 1000 + 500);
            history.end(n * 1000 + 900);
        }
        assert_eq!(history.0.len(), OF_KEY_MAX);
        let last = Fired { from_ms: 98_700, since_ms: 99_000, ended_ms: Some(99_500), worst: Some(7.0) };
        assert_eq!(history.0.last(), Some(&last));
        history.begin(0, 99_500 + REMEMBERED_MS + 1);
        assert_eq!(history.0.len(), 1, "a day later it is forgotten");
        history.begin(0, i64::MAX);
        assert_eq!(history.0.len(), 1, "it fires already");
    }

    #[test]
    fn less_may_be_worse() {
        let mut history = History::default();
        history.begin(0, 0);
        for value in [80.0, 60.0, 70.0] {
            history.past(Some(value), Direction::Below);
        }
        history.past(None, Direction::Below);
        assert_eq!(history.0[0].worst, Some(60.0));
    }
}
