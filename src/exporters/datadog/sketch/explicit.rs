//! Sketches of histograms with explicit bounds: the count of a bucket is spread over the keys between its bounds.

use super::{Sketch, keys};

/// The lower bound of a bucket is above its upper one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exporters::datadog) struct NotAscending;

/// A sketch being filled.
#[derive(Debug, Default)]
pub(in crate::exporters::datadog) struct Builder(Sketch);

impl Builder {
    /// Spreads a count evenly between two bounds.
    ///
    /// # Errors
    /// When the bounds do not ascend.
    pub(in crate::exporters::datadog) fn spread(
        &mut self,
        lower: f64,
        upper: f64,
        count: u64,
    ) -> Result<(), NotAscending> {
        let (first, last) = (keys::finite(lower), keys::finite(upper));
        if last < first {
            return Err(NotAscending);
        }
        let width = upper - lower;
        let (mut key, mut low) = (first, keys::low(first));
        let (mut left, mut remainder) = (count, 0.0);
        let mut counts = Vec::new();
        for next in first + 1..=last {
            if left == 0 {
                break;
            }
            let high = keys::low(next);
            #[expect(clippy::cast_precision_loss, reason = "counts of a histogram")]
            let share = (high - low) / width * count as f64;
            // Shares below one are carried to the next keys, which avoids empty bins; the fractions of the others are
            // accumulated.
            if share > 1.0 {
                remainder += share - share.trunc();
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the count")]
            let mut whole = share as u64;
            if remainder > 1.0 {
                whole += 1;
                remainder -= 1.0;
            }
            if whole > 0 {
                let whole = whole.min(left);
                self.0.basic.add(low, whole);
                counts.push((key, whole));
                left -= whole;
                (key, low) = (next, high);
            }
        }
        if left > 0 {
            self.0.basic.add(keys::low(key), left);
            counts.push((key, left));
        }
        self.0.bins.add(&counts);
        Ok(())
    }

    /// Returns the sketch; `None` if nothing was counted.
    pub(in crate::exporters::datadog) fn finish(self) -> Option<Sketch> {
        (self.0.basic.count != 0).then_some(self.0)
    }
}
