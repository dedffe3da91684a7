//! Points that a stage leaves out, by metric and reason.

use crate::delivery::Rejected;

/// Maximum reasons reported per request; further ones are combined.
const REASONS_MAX: usize = 20;

/// What was left out since the last call of `take`.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The current metric.
    metric: String,
    points: Vec<Rejected>,
}

impl LeftOut {
    /// Sets the current metric.
    pub(super) fn of_metric(&mut self, name: &str) {
        name.clone_into(&mut self.metric);
    }

    /// Adds points of the current metric.
    pub(super) fn add(&mut self, items: u64, reason: &str) {
        self.add_told(items, format!("metric {:?}: {reason}", self.metric));
    }

    /// Adds points without naming a metric.
    pub(super) fn add_of_any(&mut self, items: u64, reason: &str) {
        self.add_told(items, reason.to_owned());
    }

    fn add_told(&mut self, items: u64, reason: String) {
        if items == 0 {
            return;
        }
        let is_known = self.points.iter().any(|rejected| rejected.reason == reason);
        let reason = if is_known || self.points.len() < REASONS_MAX { reason } else { "and others".to_owned() };
        match self.points.iter_mut().find(|rejected| rejected.reason == reason) {
            Some(rejected) => rejected.items += items,
            None => self.points.push(Rejected { items, reason }),
        }
    }

    /// Returns everything left out, and clears it.
    pub(super) fn take(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.points)
    }
}
