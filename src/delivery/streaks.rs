//! Detects targets that reject everything; they are tried less and less often until they accept something.

use super::exporter::Outcome;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Consecutive rejected requests after which the target is tried less often. Splitting a batch down to the item at fault, or to
/// the size the target accepts, takes some twenty requests.
const IN_A_ROW_MAX: u32 = 64;

/// Consecutive rejected requests, by route: one intake of a target may reject what another accepts.
///
/// Rejected items are dead letters all the same. But if nothing at all is accepted, the fault is most likely in the target or
/// its settings, which people fix; until then it should cost a few items, not thousands a second.
#[derive(Debug, Default)]
pub(super) struct Streaks(Mutex<HashMap<&'static str, u32>>);

impl Streaks {
    /// Counts the outcome of a request with `items` items; returns true if so many were rejected in a row that the target seems
    /// to accept nothing at all.
    pub(super) fn count(&self, route: &'static str, items: u64, outcome: &Outcome) -> bool {
        let is_refused = match outcome {
            Outcome::TooLarge(_) | Outcome::Rejected(_) | Outcome::PermanentError(_) => true,
            // A payload without items (statistics, an event) has none that could be rejected.
            Outcome::Delivered { rejected, .. } => items > 0 && *rejected >= items,
            Outcome::PartialSuccess { taken: 0, refused, .. } if !refused.is_empty() => true,
            Outcome::PartialSuccess { taken: 0, .. } | Outcome::Retry { .. } => return false,
            Outcome::PartialSuccess { .. } => false,
        };
        if is_refused {
            return self.refused(route);
        }
        self.0.lock().remove(route);
        false
    }

    /// Counts a rejected request.
    pub(super) fn refused(&self, route: &'static str) -> bool {
        let mut streaks = self.0.lock();
        let streak = streaks.entry(route).or_default();
        *streak = streak.saturating_add(1);
        *streak > IN_A_ROW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Rejected;

    #[test]
    fn what_is_taken_ends_a_streak_of_its_route_alone() {
        let streaks = Streaks::default();
        let refused = Outcome::Rejected("400".into());
        for _ in 0..IN_A_ROW_MAX {
            assert!(!streaks.count("/traces", 1, &refused));
            assert!(!streaks.count("/stats", 0, &Outcome::delivered()));
        }
        assert!(streaks.count("/traces", 1, &refused));
        assert!(!streaks.count("/stats", 0, &refused), "of another route");
        assert!(!streaks.count("/traces", 1, &Outcome::delivered()));
        assert!(!streaks.count("/traces", 1, &refused), "from the beginning");
    }

    #[test]
    fn an_answer_refuses_where_it_takes_nothing() {
        let in_part = |taken, refused: bool| Outcome::PartialSuccess {
            taken,
            refused: if refused { vec![Rejected { items: 1, reason: "no".into() }] } else { Vec::new() },
            again: None,
            after: None,
            reason: String::new(),
        };
        let rejected = |rejected| Outcome::Delivered { rejected, message: String::new() };
        let retry = Outcome::Retry { after: None, reason: String::new() };
        for (outcome, is_refused) in [
            (Outcome::TooLarge(String::new()), true),
            (Outcome::PermanentError(String::new()), true),
            (rejected(2), true),
            (rejected(1), false),
            (in_part(0, true), true),
            (in_part(1, true), false),
            (in_part(0, false), false),
            (retry, false),
        ] {
            let streaks = Streaks::default();
            for _ in 0..IN_A_ROW_MAX {
                assert!(!streaks.count("", 2, &outcome));
            }
            assert_eq!(streaks.count("", 2, &outcome), is_refused, "{outcome:?}");
        }
    }
}
