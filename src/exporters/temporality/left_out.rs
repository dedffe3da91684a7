//! Points that a stage leaves out, by metric and reason.

use crate::delivery::Rejected;

/// Reasons that are told of one request; what there is beyond is told as others.
const REASONS_MAX: usize = 20;

/// What was left out since it was last asked for.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The metric at hand.
    metric: String,
    points: Vec<Rejected>,
}

impl LeftOut {
    /// What follows is of this metric.
    pub(super) fn of_metric(&mut self, name: &str) {
        name.clone_into(&mut self.metric);
    }

    /// Points of the metric at hand.
    pub(super) fn add(&mut self, items: u64, reason: &str) {
        self.add_told(items, format!("metric {:?}: {reason}", self.metric));
    }

    /// Points of whichever metric.
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

    /// All of it, which is told with that.
    pub(super) fn take(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.points)
    }
}
