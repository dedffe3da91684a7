//! Notices that a channel refused: each is tried again at growing intervals for as long as it is due, since a channel that
//! is mended must hear of what fires.

use super::messages::Notice;
use crate::delivery::settings::RetrySettings;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// What was refused, by finding id.
#[derive(Debug)]
pub(super) struct Refusals {
    retry: RetrySettings,
    by_finding: HashMap<String, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    /// Which news it was.
    mark: String,
    wait: Duration,
    /// When it is tried again; `None` where the settings say never.
    again: Option<Instant>,
}

impl Refusals {
    pub(super) fn new(retry: &RetrySettings) -> Refusals {
        Refusals { retry: retry.clone(), by_finding: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_finding.is_empty()
    }

    /// Whether a notice may be sent: it is news, or its wait is over.
    pub(super) fn lets(&self, notice: &Notice) -> bool {
        let refusal = self.by_finding.get(&notice.finding.id);
        refusal
            .is_none_or(|refusal| refusal.mark != notice.mark() || refusal.again.is_some_and(|at| at <= Instant::now()))
    }

    /// Notes a refusal; true where it is the first of this notice.
    pub(super) fn add(&mut self, notice: &Notice) -> bool {
        let (id, mark) = (&notice.finding.id, notice.mark());
        let before = self.by_finding.get(id).filter(|refusal| refusal.mark == mark).map(|refusal| refusal.wait);
        let wait = before.map_or(self.retry.max_interval, |wait| wait.mul_f64(self.retry.multiplier.max(1.1)));
        let wait = wait.min(WAIT_MAX);
        let again = self.retry.enabled.then(|| Instant::now() + wait);
        self.by_finding.insert(id.clone(), Refusal { mark, wait, again });
        before.is_none()
    }

    /// Forgets what was taken after all; true where there was something.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.by_finding.remove(id).is_some()
    }

    /// Keeps those that are still due, of all that is; of another, the time to try it again would come for nothing.
    pub(super) fn keep<'a>(&mut self, due: impl Iterator<Item = &'a Notice>) {
        if self.by_finding.is_empty() {
            return;
        }
        let due: HashMap<&str, String> = due.map(|notice| (notice.finding.id.as_str(), notice.mark())).collect();
        self.by_finding.retain(|id, refusal| due.get(id.as_str()) == Some(&refusal.mark));
    }

    /// When the next one is tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_finding.values().filter_map(|refusal| refusal.again).min()
    }
}
