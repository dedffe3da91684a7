//! Merges and downscales exponential histograms exactly.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point;

/// Maximum buckets of one sign: a merge that would span more is downscaled, so that no two points can use unlimited memory.
const BUCKETS_MAX: i64 = 1024;
/// Below this scale nothing is added: from -11 on a single bucket contains every number, and without a minimum scale the limit
/// above would have no effect.
const SCALE_MIN: i32 = -64;

/// Buckets of one sign, without empty ones at either end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::exporters) struct Buckets {
    /// Index of the first bucket.
    pub(in crate::exporters) first: i64,
    /// Counts from there on.
    pub(in crate::exporters) counts: Vec<u64>,
}

/// An exponential histogram as in OTLP: with `base = 2^(2^-scale)`, bucket `i` counts values above `base^i`, up to
/// `base^(i+1)`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::exporters) struct Exponential {
    pub(in crate::exporters) scale: i32,
    pub(in crate::exporters) zero_threshold: f64,
    pub(in crate::exporters) zero_count: u64,
    pub(in crate::exporters) count: u64,
    /// `None` if a point did not report it.
    pub(in crate::exporters) sum: Option<f64>,
    pub(in crate::exporters) positive: Buckets,
    pub(in crate::exporters) negative: Buckets,
}

impl Buckets {
    fn of(buckets: Option<&exponential_histogram_data_point::Buckets>) -> Buckets {
        buckets.map_or_else(Buckets::default, |of| Buckets::trimmed(i64::from(of.offset), &of.bucket_counts))
    }

    fn trimmed(first: i64, counts: &[u64]) -> Buckets {
        let Some(from) = counts.iter().position(|count| *count > 0) else { return Buckets::default() };
        let to = counts.iter().rposition(|count| *count > 0).unwrap_or(from);
        let first = first + i64::try_from(from).unwrap_or(i64::MAX / 2);
        Buckets { first, counts: counts[from..=to].to_vec() }
    }

    /// Converts to OTLP; `None` if the first index does not fit into its field.
    fn as_otlp(&self) -> Option<exponential_histogram_data_point::Buckets> {
        let offset = i32::try_from(self.first).ok()?;
        Some(exponential_histogram_data_point::Buckets { offset, bucket_counts: self.counts.clone() })
    }

    /// Index of the last bucket; below the first if there are none.
    fn last(&self) -> i64 {
        self.first + i64::try_from(self.counts.len()).unwrap_or(i64::MAX / 2) - 1
    }

    /// Merges each `2^by` buckets into one.
    fn coarser(&mut self, by: u32) {
        if by == 0 || self.counts.is_empty() {
            return;
        }
        let by = by.min(62);
        let first = self.first >> by;
        let length = usize::try_from((self.last() >> by) - first + 1).unwrap_or(1);
        let mut counts = vec![0_u64; length];
        for (index, count) in (self.first..).zip(&self.counts) {
            let place = usize::try_from((index >> by) - first).unwrap_or(0);
            if let Some(sum) = counts.get_mut(place) {
                *sum = sum.saturating_add(*count);
            }
        }
        *self = Buckets { first, counts };
    }

    fn add(&mut self, other: &Buckets) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            *self = other.clone();
            return;
        }
        let (first, last) = (self.first.min(other.first), self.last().max(other.last()));
        let mut counts = vec![0_u64; usize::try_from(last - first + 1).unwrap_or(0)];
        for part in [&*self, other] {
            for (index, count) in (part.first..).zip(&part.counts) {
                if let Some(sum) = usize::try_from(index - first).ok().and_then(|place| counts.get_mut(place)) {
                    *sum = sum.saturating_add(*count);
                }
            }
        }
        *self = Buckets { first, counts };
    }

    /// Returns the increase of each bucket; `None` if one has decreased.
    fn since(&self, before: &Buckets) -> Option<Buckets> {
        let mut counts = self.counts.clone();
        for (index, count) in (before.first..).zip(&before.counts).filter(|(_, count)| **count > 0) {
            let own = counts.get_mut(usize::try_from(index - self.first).ok()?)?;
            *own = own.checked_sub(*count)?;
        }
        Some(Buckets::trimmed(self.first, &counts))
    }

    fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Number of scale steps by which both must be downscaled to fit the limit together.
fn steps_to_fit(one: &Buckets, other: &Buckets) -> u32 {
    let spans = || [one, other].into_iter().filter(|buckets| !buckets.counts.is_empty());
    let (Some(first), Some(last)) = (spans().map(|b| b.first).min(), spans().map(Buckets::last).max()) else {
        return 0;
    };
    (0..62).find(|by| (last >> by) - (first >> by) < BUCKETS_MAX).unwrap_or(62)
}

impl Exponential {
    pub(in crate::exporters) fn of(point: &ExponentialHistogramDataPoint) -> Exponential {
        Exponential {
            scale: point.scale,
            zero_threshold: point.zero_threshold,
            zero_count: point.zero_count,
            count: point.count,
            sum: point.sum,
            positive: Buckets::of(point.positive.as_ref()),
            negative: Buckets::of(point.negative.as_ref()),
        }
    }

    /// Writes its counts to a point; returns false and changes nothing if they do not fit into its fields.
    pub(in crate::exporters) fn write_to(&self, point: &mut ExponentialHistogramDataPoint) -> bool {
        let (Some(positive), Some(negative)) = (self.positive.as_otlp(), self.negative.as_otlp()) else { return false };
        point.scale = self.scale;
        point.zero_threshold = self.zero_threshold;
        point.zero_count = self.zero_count;
        point.count = self.count;
        point.sum = self.sum;
        point.positive = Some(positive);
        point.negative = Some(negative);
        true
    }

    /// Downscales it if its scale is above `scale`.
    pub(in crate::exporters) fn at_most(&mut self, scale: i32) {
        let by = u32::try_from(i64::from(self.scale) - i64::from(scale)).unwrap_or(0);
        if by > 0 {
            self.positive.coarser(by);
            self.negative.coarser(by);
            self.scale = scale;
        }
    }

    /// Adds another histogram; returns false and changes nothing if their zero buckets differ in width, or a scale is invalid.
    pub(in crate::exporters) fn add(&mut self, other: &Exponential) -> bool {
        let scale = self.scale.min(other.scale);
        if self.zero_threshold.to_bits() != other.zero_threshold.to_bits() || scale < SCALE_MIN {
            return false;
        }
        let mut other = other.clone();
        self.at_most(scale);
        other.at_most(scale);
        let steps = steps_to_fit(&self.positive, &other.positive).max(steps_to_fit(&self.negative, &other.negative));
        let scale = scale.saturating_sub(i32::try_from(steps).unwrap_or(i32::MAX));
        self.at_most(scale);
        other.at_most(scale);
        self.positive.add(&other.positive);
        self.negative.add(&other.negative);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.zip(other.sum).map(|(one, other)| one + other);
        true
    }

    /// Returns the increase since `before`; `None` if a count has decreased, or the two are not comparable.
    pub(in crate::exporters) fn since(&self, before: &Exponential) -> Option<Exponential> {
        let scale = self.scale.min(before.scale);
        if self.zero_threshold.to_bits() != before.zero_threshold.to_bits() || scale < SCALE_MIN {
            return None;
        }
        let (mut now, mut before) = (self.clone(), before.clone());
        now.at_most(scale);
        before.at_most(scale);
        Some(Exponential {
            scale,
            zero_threshold: now.zero_threshold,
            zero_count: now.zero_count.checked_sub(before.zero_count)?,
            count: now.count.checked_sub(before.count)?,
            sum: now.sum.zip(before.sum).map(|(now, before)| now - before),
            positive: now.positive.since(&before.positive)?,
            negative: now.negative.since(&before.negative)?,
        })
    }

    /// Returns the same histogram without counts.
    pub(in crate::exporters) fn nothing(&self) -> Exponential {
        let (positive, negative) = (Buckets::default(), Buckets::default());
        Exponential { zero_count: 0, count: 0, sum: self.sum.map(|_| 0.0), positive, negative, ..*self }
    }

    /// Total count of its buckets.
    pub(in crate::exporters) fn counted(&self) -> u64 {
        self.zero_count.saturating_add(self.positive.total()).saturating_add(self.negative.total())
    }

    /// Number of values it keeps in memory.
    pub(in crate::exporters) fn weight(&self) -> usize {
        self.positive.counts.len() + self.negative.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        let buckets = exponential_histogram_data_point::Buckets { offset, bucket_counts: counts.to_vec() };
        let count = counts.iter().sum();
        ExponentialHistogramDataPoint { scale, count, sum: Some(1.0), positive: Some(buckets), ..Default::default() }
    }

    /// By hand: one scale lower, buckets 2i and 2i+1 become bucket i.
    #[test]
    fn a_coarser_histogram_has_the_sums_of_pairs() {
        let mut histogram = Exponential::of(&point(3, -3, &[1, 2, 3, 4, 5]));
        histogram.at_most(2);
        // -3 alone in -2; -2 and -1 in -1; 0 and 1 in 0.
        assert_eq!(histogram.positive, Buckets { first: -2, counts: vec![1, 5, 9] });
        assert_eq!(histogram.scale, 2);
        histogram.at_most(5);
        assert_eq!(histogram.scale, 2, "what is lost does not come back");
    }

    #[test]
    fn two_of_different_scales_are_added_at_the_coarser_one() {
        let mut sum = Exponential::of(&point(1, 0, &[1, 1, 1, 1]));
        assert!(sum.add(&Exponential::of(&point(0, 1, &[7]))));
        assert_eq!(sum.positive, Buckets { first: 0, counts: vec![2, 9] });
        assert_eq!((sum.scale, sum.count, sum.sum), (0, 11, Some(2.0)));
    }

    #[test]
    fn far_apart_counts_take_no_memory_without_bound() {
        let mut sum = Exponential::of(&point(20, i32::MIN, &[1]));
        assert!(sum.add(&Exponential::of(&point(20, i32::MAX, &[1]))));
        assert!(sum.weight() <= 1024, "{}", sum.weight());
        assert_eq!(sum.positive.total(), 2);
        let mut coarsest = Exponential::of(&point(SCALE_MIN, i32::MIN, &[1]));
        assert!(coarsest.add(&Exponential::of(&point(i32::MAX, i32::MAX, &[1, 1]))));
        assert!(coarsest.weight() <= 1024, "{}", coarsest.weight());
        assert_eq!(coarsest.positive.total(), 3);
        let mut no_scale = Exponential::of(&point(i32::MIN, i32::MIN, &[1]));
        assert!(!no_scale.add(&Exponential::of(&point(i32::MIN, i32::MAX, &[1]))), "4 billion buckets");
    }

    /// By hand: at scale 0, buckets 0..=3 of scale 1 are 0 and 1.
    #[test]
    fn what_was_added_is_told_at_the_coarser_scale() {
        let now = Exponential::of(&point(0, 0, &[5, 9]));
        let since = now.since(&Exponential::of(&point(1, 0, &[1, 2, 0, 4]))).unwrap();
        assert_eq!((since.positive, since.count), (Buckets { first: 0, counts: vec![2, 5] }, 7));
        assert_eq!(now.since(&now).unwrap(), Exponential { sum: Some(0.0), ..now.nothing() });
        assert_eq!(now.since(&Exponential::of(&point(0, 1, &[10]))), None, "a bucket went down");
        assert_eq!(now.since(&Exponential::of(&point(0, 5, &[1]))), None, "a bucket that is not there any more");
    }

    #[test]
    fn zero_buckets_of_different_width_are_not_added() {
        let mut one = Exponential::of(&point(0, 0, &[1]));
        let other = Exponential { zero_threshold: 0.1, ..one.clone() };
        let before = one.clone();
        assert!(!one.add(&other));
        assert_eq!(one, before);
    }

    #[test]
    fn a_point_is_written_as_it_was_read() {
        let read = Exponential::of(&point(3, -3, &[0, 2, 0, 4, 0]));
        assert_eq!(read.positive, Buckets { first: -2, counts: vec![2, 0, 4] });
        let mut written = ExponentialHistogramDataPoint::default();
        assert!(read.write_to(&mut written));
        assert_eq!(Exponential::of(&written), read);
    }
}
