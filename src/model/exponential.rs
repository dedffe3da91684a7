//! Exponential histograms as defined by OTLP, merged exactly at the coarser of two scales.

/// Scales that OTLP allows.
const SCALES: std::ops::RangeInclusive<i32> = -10..=20;
/// Maximum number of buckets per sign; above it, pairs of buckets are merged.
const BUCKETS_MAX: usize = 320;

/// The buckets of one sign: bucket `offset + i` counts values above `base^(offset + i)`, up to the next bound, where base is
/// 2^(2^-scale).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Index of the first bucket.
    pub offset: i32,
    /// Counts of consecutive buckets.
    pub counts: Vec<u64>,
}

/// An exponential histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exponential {
    /// Resolution of the buckets: -10..=20.
    pub scale: i32,
    /// Values with an absolute value up to this are counted in `zero_count`.
    pub zero_threshold: f64,
    /// Number of values counted as zero.
    pub zero_count: u64,
    /// Buckets of positive values.
    pub positive: Buckets,
    /// Buckets of negative values, by absolute value.
    pub negative: Buckets,
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: u64,
}

impl Buckets {
    /// Removes empty buckets at both ends.
    #[must_use]
    pub fn trimmed(mut self) -> Buckets {
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(self.counts.len());
        let last = self.counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        self.counts.truncate(last);
        self.counts.drain(..first);
        self.offset = self.offset.saturating_add(i32::try_from(first).unwrap_or(i32::MAX));
        if self.counts.is_empty() { Buckets::default() } else { self }
    }

    /// Iterates over bucket indices and counts.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        (i64::from(self.offset)..).zip(self.counts.iter().copied())
    }

    /// Converts to a scale lower by `steps`: each 2^steps buckets are merged into one.
    fn coarser(&self, steps: u32) -> Buckets {
        if steps == 0 || self.counts.is_empty() {
            return self.clone();
        }
        let steps = steps.min(62);
        let offset = i64::from(self.offset) >> steps;
        let mut counts = Vec::new();
        for (index, count) in self.iter() {
            let at = usize::try_from((index >> steps) - offset).unwrap_or_default();
            if counts.len() <= at {
                counts.resize(at + 1, 0_u64);
            }
            counts[at] = counts[at].saturating_add(count);
        }
        Buckets { offset: i32::try_from(offset).unwrap_or_default(), counts }
    }

    /// Returns the range of indices that covers both.
    fn span(&self, other: &Buckets) -> Option<(i64, i64)> {
        let ends = |buckets: &Buckets| {
            let length = i64::try_from(buckets.counts.len()).ok().filter(|length| *length > 0)?;
            Some((i64::from(buckets.offset), i64::from(buckets.offset) + length - 1))
        };
        match (ends(self), ends(other)) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        }
    }

    fn add(&self, other: &Buckets) -> Buckets {
        let Some((first, last)) = self.span(other) else { return Buckets::default() };
        let mut counts = vec![0_u64; usize::try_from(last - first + 1).unwrap_or_default()];
        for (index, count) in self.iter().chain(other.iter()) {
            if let Some(held) = usize::try_from(index - first).ok().and_then(|at| counts.get_mut(at)) {
                *held = held.saturating_add(count);
            }
        }
        Buckets { offset: i32::try_from(first).unwrap_or_default(), counts }
    }

    /// Removes the buckets at or below `threshold` and returns their count.
    fn take_below(&mut self, threshold: f64, scale: i32) -> u64 {
        let below = self.iter().take_while(|(index, _)| bound(index + 1, scale) <= threshold).count();
        let taken = self.counts.drain(..below).fold(0_u64, u64::saturating_add);
        self.offset = self.offset.saturating_add(i32::try_from(below).unwrap_or(i32::MAX));
        taken
    }
}

/// Returns the lower bound of a bucket.
#[must_use]
pub fn bound(index: i64, scale: i32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "indices are 32 bits wide")]
    let index = index as f64;
    (index * (-f64::from(scale)).exp2()).exp2()
}

impl Exponential {
    /// Returns whether the scale is valid in OTLP.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        SCALES.contains(&self.scale)
    }

    /// Converts to `scale` if the histogram's own is finer.
    #[must_use]
    pub fn at_most(&self, scale: i32) -> Exponential {
        let steps = u32::try_from(self.scale.saturating_sub(scale)).unwrap_or_default();
        if steps == 0 {
            return self.clone();
        }
        let (positive, negative) = (self.positive.coarser(steps), self.negative.coarser(steps));
        Exponential { scale, positive, negative, ..*self }
    }

    /// Adds another histogram, at the coarser scale and the greater zero threshold. The scale is reduced further while there
    /// are too many buckets.
    pub fn add(&mut self, other: &Exponential) {
        if !self.is_valid() || !other.is_valid() {
            if other.is_valid() {
                *self = other.clone();
            }
            return;
        }
        let mut scale = self.scale.min(other.scale);
        let (mut one, mut two) = (self.at_most(scale), other.at_most(scale));
        let is_wide = |span: Option<(i64, i64)>| {
            span.is_some_and(|(first, last)| usize::try_from(last - first).is_ok_and(|wide| wide >= BUCKETS_MAX))
        };
        let too_wide = |one: &Exponential, two: &Exponential| {
            is_wide(one.positive.span(&two.positive)) || is_wide(one.negative.span(&two.negative))
        };
        while too_wide(&one, &two) && scale > *SCALES.start() {
            scale -= 1;
            (one, two) = (one.at_most(scale), two.at_most(scale));
        }
        if too_wide(&one, &two) {
            // Valid histograms of doubles never span so much: the new one is no less plausible than the old one.
            *self = other.clone();
            return;
        }
        let threshold = one.zero_threshold.max(two.zero_threshold);
        for side in [&mut one, &mut two] {
            if side.zero_threshold < threshold {
                for buckets in [&mut side.positive, &mut side.negative] {
                    side.zero_count = side.zero_count.saturating_add(buckets.take_below(threshold, scale));
                }
            }
        }
        *self = Exponential {
            scale,
            zero_threshold: threshold,
            zero_count: one.zero_count.saturating_add(two.zero_count),
            positive: one.positive.add(&two.positive),
            negative: one.negative.add(&two.negative),
            sum: one.sum + two.sum,
            count: one.count.saturating_add(two.count),
        };
    }
}

#[cfg(test)]
mod tests;
