//! Invalid starts of summaries: a point with a start equal to its own time means that the start of the count is unknown, and
//! later points repeat that start. A target would take it as the time when everything was zero.

use crate::exporters::temporality::identity::{self, Digest};
use opentelemetry_proto::tonic::metrics::v1::SummaryDataPoint;
use std::collections::HashMap;

/// Maximum number of series with an unknown start that are kept. Beyond that, the start is removed from all points.
const SERIES_MAX: usize = 100_000;

/// The starts, by series.
#[derive(Default)]
pub(super) struct UnknownStarts {
    starts: HashMap<Digest, u64>,
}

impl UnknownStarts {
    /// Removes such starts from the points of a metric; returns true if there were any.
    pub(super) fn hide(&mut self, metric: Digest, points: &mut [SummaryDataPoint]) -> bool {
        let mut has_hidden = false;
        for point in points.iter_mut().filter(|point| point.start_time_unix_nano > 0) {
            let series = identity::of_point(metric, &point.attributes);
            let (start, known) = (point.start_time_unix_nano, self.starts.get(&series).copied());
            let begins = start >= point.time_unix_nano;
            if begins && (known.is_some() || self.starts.len() < SERIES_MAX) {
                self.starts.insert(series, start);
            }
            let is_full = known.is_none() && self.starts.len() >= SERIES_MAX;
            if !begins && (known == Some(start) || is_full) {
                point.start_time_unix_nano = 0;
                has_hidden = true;
            }
        }
        has_hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(start: u64, time: u64) -> SummaryDataPoint {
        SummaryDataPoint { start_time_unix_nano: start, time_unix_nano: time, ..SummaryDataPoint::default() }
    }

    #[test]
    fn the_start_of_a_summary_is_told_where_it_is_known() {
        let mut starts = UnknownStarts::default();
        let mut points = [point(5, 10), point(5, 20), point(30, 30), point(30, 40), point(45, 50), point(0, 60)];
        assert!(starts.hide(1, &mut points));
        let told: Vec<u64> = points.iter().map(|point| point.start_time_unix_nano).collect();
        assert_eq!(told, [5, 5, 30, 0, 45, 0]);
        assert!(!starts.hide(2, &mut [point(30, 40)]), "of another metric");
    }
}
