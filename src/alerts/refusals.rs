//! Notifications that a channel rejected. Each is retried with backoff until it is accepted or its alert changes, so that a
//! repaired channel gets all firing alerts.

use super::messages::Notice;
use crate::delivery::settings::RetrySettings;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Rejected notifications, by finding id.
#[derive(Debug)]
pub(super) struct Refusals {
    retry: RetrySettings,
    by_finding: HashMap<String, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    /// Identifies the notification.
    mark: String,
    wait: Duration,
    /// Time of the next attempt; `None` if retries are disabled.
    again: Option<Instant>,
}

impl Refusals {
    pub(super) fn new(retry: &RetrySettings) -> Refusals {
        Refusals { retry: retry.clone(), by_finding: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_finding.is_empty()
    }

    /// Returns true if a notification may be sent: it is new, or its wait is over.
    pub(super) fn lets(&self, notice: &Notice) -> bool {
        let refusal = self.by_finding.get(&notice.finding.id);
        refusal
            .is_none_or(|refusal| refusal.mark != notice.mark() || refusal.again.is_some_and(|at| at <= Instant::now()))
    }

    /// Records a rejection; returns true for the first one of this notification.
    pub(super) fn add(&mut self, notice: &Notice) -> bool {
        let (id, mark) = (&notice.finding.id, notice.mark());
        let before = self.by_finding.get(id).filter(|refusal| refusal.mark == mark).map(|refusal| refusal.wait);
        let wait = before.map_or(self.retry.max_interval, |wait| wait.mul_f64(self.retry.multiplier.max(1.1)));
        let wait = wait.min(WAIT_MAX);
        let again = self.retry.enabled.then(|| Instant::now() + wait);
        self.by_finding.insert(id.clone(), Refusal { mark, wait, again });
        before.is_none()
    }

    /// Removes the entry of a notification that was accepted after all; returns true if there was one.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.by_finding.remove(id).is_some()
    }

    /// Keeps only notifications that are still due, so that no timer runs for the others.
    pub(super) fn keep<'a>(&mut self, due: impl Iterator<Item = &'a Notice>) {
        if self.by_finding.is_empty() {
            return;
        }
        let due: HashMap<&str, String> = due.map(|notice| (notice.finding.id.as_str(), notice.mark())).collect();
        self.by_finding.retain(|id, refusal| due.get(id.as_str()) == Some(&refusal.mark));
    }

    /// Time of the next attempt.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_finding.values().filter_map(|refusal| refusal.again).min()
    }
}
