//! Retention of rollup rows, and how it is shortened to meet the memory limit.

use std::collections::BTreeMap;

/// Retention of each resolution in ms: rows of 10 s, 1 m and 1 h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Rows of ten seconds.
    pub fine_ms: i64,
    /// Rows of a minute.
    pub minute_ms: i64,
    /// Rows of an hour.
    pub hour_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Retention that findings and dashboards need; shortened only if that of all older rows is not enough.
const WANTED: Retention = Retention { fine_ms: 10 * MINUTE_MS, minute_ms: 2 * HOUR_MS, hour_ms: 24 * HOUR_MS };

impl Retention {
    fn kept_ms(self) -> [i64; 3] {
        [self.fine_ms, self.minute_ms, self.hour_ms]
    }

    /// Returns the retention of a resolution in seconds.
    pub(super) fn of(self, resolution_s: i64) -> i64 {
        class(resolution_s).map_or(i64::MAX / 2, |class| self.kept_ms()[class])
    }

    /// Halves the retention of the resolution class that takes the most memory; `None` if nothing is left to expire.
    /// `bytes` is the memory of each resolution.
    pub(crate) fn shorter(self, bytes: &BTreeMap<i64, usize>) -> Option<Retention> {
        let mut taken = [0; 3];
        for (resolution_s, bytes) in bytes {
            if let Some(class) = class(*resolution_s) {
                taken[class] += bytes;
            }
        }
        let (mut kept, wanted) = (self.kept_ms(), WANTED.kept_ms());
        let most = |floors: [i64; 3]| (0..3).filter(|at| kept[*at] > floors[*at]).max_by_key(|at| (taken[*at], 2 - at));
        let (at, floor) = match most(wanted) {
            Some(at) => (at, wanted[at]),
            None => (most([0; 3])?, 0),
        };
        kept[at] = (kept[at] / 2).max(floor);
        let [fine_ms, minute_ms, hour_ms] = kept;
        Some(Retention { fine_ms, minute_ms, hour_ms })
    }
}

/// Returns the index of a resolution's retention; `None` for all time, which is 0.
fn class(resolution_s: i64) -> Option<usize> {
    match resolution_s {
        0 => None,
        1..60 => Some(0),
        60..3600 => Some(1),
        _ => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_most_is_shortened_and_what_is_wanted_goes_last() {
        let mut retention = Retention { fine_ms: 2 * HOUR_MS, minute_ms: 24 * HOUR_MS, hour_ms: 31 * 24 * HOUR_MS };
        let bytes = BTreeMap::from([(0, 1 << 40), (10, 10), (60, 500), (3600, 100)]);
        let shorter = retention.shorter(&bytes).unwrap();
        assert_eq!(shorter, Retention { minute_ms: 12 * HOUR_MS, ..retention });
        let mut steps = Vec::new();
        while let Some(next) = retention.shorter(&bytes) {
            assert!(next != retention && steps.len() < 100, "it ends: {next:?}");
            steps.push(next);
            retention = next;
        }
        let first_wanted = steps.iter().position(|step| *step == WANTED).expect("what is wanted is kept at first");
        assert!(
            steps[..first_wanted].iter().all(|step| step.fine_ms >= WANTED.fine_ms && step.hour_ms >= WANTED.hour_ms)
        );
        assert_eq!(retention, Retention { fine_ms: 0, minute_ms: 0, hour_ms: 0 });
    }
}
