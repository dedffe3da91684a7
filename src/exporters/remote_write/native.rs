//! Exponential histograms as native histograms.

use super::proto::{BucketSpan, Histogram};
use crate::exporters::temporality::exponential::{Buckets, Exponential};
use crate::exporters::temporality::faults;

/// Schemas supported by Prometheus: the schema is the scale of an exponential histogram.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
/// Width of the zero bucket if the sender sets none, as in Prometheus' own translation.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Longer gaps between counts are cheaper as the start of a new span.
const GAP_MAX: i64 = 2;

/// Converts to a native histogram without times.
///
/// # Errors
/// Why it cannot be converted, in words.
pub(super) fn histogram(exponential: &Exponential) -> Result<Histogram, String> {
    let mut fitted = exponential.clone();
    fitted.at_most(*SCHEMAS.end());
    if fitted.scale < *SCHEMAS.start() {
        return Err(format!("its scale is {}, a native histogram's minimum is {}", fitted.scale, SCHEMAS.start()));
    }
    if let Some(fault) = faults::of_exponential(&fitted) {
        return Err(fault);
    }
    let (positive_spans, positive_deltas) = spans(&fitted.positive)?;
    let (negative_spans, negative_deltas) = spans(&fitted.negative)?;
    let zero_threshold = if fitted.zero_threshold > 0.0 { fitted.zero_threshold } else { ZERO_THRESHOLD };
    Ok(Histogram {
        count: Some(fitted.count),
        sum: fitted.sum.unwrap_or(0.0),
        schema: fitted.scale,
        zero_threshold,
        zero_count: Some(fitted.zero_count),
        negative_spans,
        negative_deltas,
        positive_spans,
        positive_deltas,
        timestamp: 0,
        start_timestamp: 0,
    })
}

/// Returns spans of adjacent buckets, and each count as the difference from the one before. Bucket `i` of OTLP has the upper
/// bound of bucket `i + 1` of Prometheus.
fn spans(buckets: &Buckets) -> Result<(Vec<BucketSpan>, Vec<i64>), String> {
    let (mut spans, mut deltas): (Vec<BucketSpan>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0_i64, 0_i64);
    for (index, count) in (buckets.first + 1..).zip(&buckets.counts).filter(|(_, count)| **count > 0) {
        let gap = index - next;
        match spans.last_mut() {
            Some(span) if gap <= GAP_MAX => {
                for _ in 0..gap {
                    deltas.push(-before);
                    before = 0;
                }
                span.length += u32::try_from(gap).unwrap_or(0) + 1;
            }
            _ => {
                let offset = i32::try_from(gap).map_err(|_| "its buckets exceed the range of a number".to_owned())?;
                spans.push(BucketSpan { offset, length: 1 });
            }
        }
        let count = i64::try_from(*count).map_err(|_| "a bucket's count is beyond 2^63".to_owned())?;
        deltas.push(count - before);
        before = count;
        next = index + 1;
    }
    Ok((spans, deltas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point;

    fn of(scale: i32, offset: i32, counts: &[u64], zero_count: u64) -> Exponential {
        let positive = exponential_histogram_data_point::Buckets { offset, bucket_counts: counts.to_vec() };
        let count = counts.iter().sum::<u64>() + zero_count;
        let positive = Some(positive);
        Exponential::of(&ExponentialHistogramDataPoint { scale, zero_count, count, positive, ..Default::default() })
    }

    fn span(offset: i32, length: u32) -> BucketSpan {
        BucketSpan { offset, length }
    }

    /// Expected: the table of Prometheus' own test of `convertBucketsLayout`, without empty buckets at the ends.
    #[test]
    fn counts_become_spans_and_differences() {
        for (offset, counts, expected_spans, expected_deltas) in [
            (1, vec![4, 3, 2, 1], vec![span(2, 4)], vec![4, -1, -1, -1]),
            (1, vec![4, 3, 2, 1, 0, 0], vec![span(2, 4)], vec![4, -1, -1, -1]),
            (-2, vec![0, 0, 0, 4, 3, 2, 1], vec![span(2, 4)], vec![4, -1, -1, -1]),
            (-1, vec![4, 2, 0, 0, 3, 0, 2], vec![span(0, 7)], vec![4, -2, -2, 0, 3, -3, 2]),
            (1, vec![4, 3, 0, 0, 0, 2, 1], vec![span(2, 2), span(3, 2)], vec![4, -1, -1, -1]),
            (0, vec![], vec![], vec![]),
        ] {
            let histogram = histogram(&of(0, offset, &counts, 0)).unwrap();
            assert_eq!((histogram.positive_spans, histogram.positive_deltas), (expected_spans, expected_deltas));
        }
    }

    #[test]
    fn scales_above_eight_are_made_coarser_and_those_below_minus_four_are_none() {
        // Two steps: indexes 0..=3 become 0, 4 and 5 become 1.
        let fine = histogram(&of(10, 0, &[1, 1, 1, 1, 5, 5], 2)).unwrap();
        assert_eq!((fine.schema, fine.count, fine.zero_count), (8, Some(16), Some(2)));
        assert_eq!((fine.positive_spans, fine.positive_deltas), (vec![span(1, 2)], vec![4, 6]));
        assert_eq!(histogram(&of(-4, 0, &[1], 0)).map(|histogram| histogram.schema), Ok(-4));
        assert!(histogram(&of(-5, 0, &[1], 0)).is_err());
    }

    #[test]
    fn what_prometheus_would_refuse_is_told_before() {
        let mut wrong = of(0, 0, &[1, 2], 0);
        wrong.count = 2;
        assert_eq!(histogram(&wrong), Err("its count is 2, and its buckets hold 3".to_owned()));
        wrong.count = 4;
        assert!(histogram(&wrong).is_err());
        wrong.sum = Some(f64::NAN);
        assert!(histogram(&wrong).is_ok(), "one that is no number is in no bucket");
        assert!(histogram(&of(0, i32::MAX, &[1], 0)).is_err());
        assert!(histogram(&of(0, 0, &[u64::MAX], 0)).is_err());
    }
}
