//! Sketch of durations: a sparse OpenTelemetry exponential histogram with scale 6.
//!
//! Bucket `i` counts values in `(base^i, base^(i+1)]` with `base = 2^(2^-6)`, as the OpenTelemetry metrics data model defines
//! it. Quantiles return the bucket's geometric mean, with an error of at most .54%. Two sketches merge exactly: counts of equal
//! buckets are added.
//!
//! Binary format, little endian: `u8` format, `f64` sum, min, max, varint count of zero values, then for the positive and for
//! the negative side a varint count of buckets and for each bucket the zigzag varint difference from the previous index and the
//! varint count.

/// Values double every `2^SCALE` buckets.
pub const SCALE: i32 = 6;
const FORMAT: u8 = 1;

/// A mergeable summary of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    positive: Buckets,
    negative: Buckets,
    zero_count: u64,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch {
            positive: Buckets::default(),
            negative: Buckets::default(),
            zero_count: 0,
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

/// Non-empty buckets with their counts, in ascending order: few, and contiguous in memory as in the binary format.
#[derive(Debug, Clone, Default, PartialEq)]
struct Buckets(Vec<(i32, u64)>);

impl Buckets {
    /// Adds to a bucket at or after position `from`, as returned by the previous call; returns the position after the bucket.
    fn add(&mut self, from: usize, bucket: i32, count: u64) -> usize {
        let behind = self.0.get(from..).unwrap_or_default();
        let place = match behind.first() {
            // Merged buckets are mostly adjacent.
            Some((known, _)) if *known >= bucket => from,
            _ => from + behind.partition_point(|(known, _)| *known < bucket),
        };
        match self.0.get_mut(place) {
            Some((known, total)) if *known == bucket => *total = total.saturating_add(count),
            _ => self.0.insert(place, (bucket, count)),
        }
        place + 1
    }
}

/// Error of bytes that are not a sketch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a sketch: {0}")]
pub struct SketchError(&'static str);

impl Sketch {
    /// Adds a value once. Ignores NaN and infinities.
    pub fn insert(&mut self, value: f64) {
        self.insert_n(value, 1);
    }

    /// Adds a value `count` times.
    pub fn insert_n(&mut self, value: f64, count: u64) {
        if !value.is_finite() || count == 0 {
            return;
        }
        if value == 0.0 {
            self.zero_count = self.zero_count.saturating_add(count);
        } else {
            let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
            side.add(0, bucket(value.abs()), count);
        }
        self.count = self.count.saturating_add(count);
        #[expect(clippy::cast_precision_loss, reason = "a sum of 2^53 equal values is beyond what is counted here")]
        let times = count as f64;
        self.sum += value * times;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Merges a serialized sketch, exactly. On an error, a part of it may have been added.
    ///
    /// # Errors
    /// When the bytes are not a sketch.
    pub fn merge_bytes(&mut self, mut bytes: &[u8]) -> Result<(), SketchError> {
        let bytes = &mut bytes;
        if take(bytes, 1)? != [FORMAT] {
            return Err(SketchError("unknown format"));
        }
        self.sum += take_f64(bytes)?;
        self.min = self.min.min(take_f64(bytes)?);
        self.max = self.max.max(take_f64(bytes)?);
        let zero_count = take_varint(bytes)?;
        self.zero_count = self.zero_count.saturating_add(zero_count);
        let mut count = zero_count;
        for side in [&mut self.positive, &mut self.negative] {
            let (mut before, mut from) = (0_i64, 0);
            for _ in 0..take_varint(bytes)? {
                let bucket = before.saturating_add(unzigzag(take_varint(bytes)?));
                let of_bucket = take_varint(bytes)?;
                let key = i32::try_from(bucket).map_err(|_| SketchError("a bucket beyond all numbers"))?;
                from = side.add(if bucket > before { from } else { 0 }, key, of_bucket);
                count = count.checked_add(of_bucket).ok_or(SketchError("more than 2^64 values"))?;
                before = bucket;
            }
        }
        self.count = self.count.saturating_add(count);
        if bytes.is_empty() { Ok(()) } else { Err(SketchError("bytes are left over")) }
    }

    /// Returns the approximate memory in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        (self.positive.0.capacity() + self.negative.0.capacity()) * size_of::<(i32, u64)>()
    }

    /// Returns the number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Returns the value of nearest rank `ceil(q * count)`, with `q` in 0..=1; `None` if the sketch is empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 || q.is_nan() {
            return None;
        }
        let rank = nearest_rank(q, self.count);
        // The minimum and maximum are known exactly.
        if rank == 1 {
            return Some(self.min);
        }
        if rank >= self.count {
            return Some(self.max);
        }
        let negative = self.negative.0.iter().rev().map(|(bucket, count)| (-middle(*bucket), *count));
        let zero = std::iter::once((0.0, self.zero_count));
        let positive = self.positive.0.iter().map(|(bucket, count)| (middle(*bucket), *count));
        let mut seen = 0;
        for (value, count) in negative.chain(zero).chain(positive) {
            seen = u64::saturating_add(seen, count);
            if seen >= rank {
                return Some(value.clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// Serializes the sketch.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + 4 * (self.positive.0.len() + self.negative.0.len()));
        out.push(FORMAT);
        for number in [self.sum, self.min, self.max] {
            out.extend(number.to_le_bytes());
        }
        put_varint(&mut out, self.zero_count);
        for side in [&self.positive, &self.negative] {
            put_varint(&mut out, side.0.len() as u64);
            let mut before = 0_i64;
            for (bucket, count) in &side.0 {
                put_varint(&mut out, zigzag(i64::from(*bucket) - before));
                put_varint(&mut out, *count);
                before = i64::from(*bucket);
            }
        }
        out
    }
}

/// Returns `ceil(q * count)`, at least 1, with `q` rounded to nine digits: in floating point, 0.55 of 100 is slightly more than
/// 55.
fn nearest_rank(q: f64, count: u64) -> u64 {
    const ONE: u128 = 1_000_000_000;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 10^9")]
    let billionths = (q.clamp(0.0, 1.0) * 1e9).round() as u128;
    let rank = (billionths * u128::from(count)).div_ceil(ONE);
    u64::try_from(rank).unwrap_or(count).max(1)
}

/// Returns the bucket of a positive value. Exact powers of two belong to the bucket below, as its upper bound, as in the data
/// model.
#[expect(clippy::cast_possible_truncation, reason = "the log of a finite f64 times 64 is within +-70,000")]
fn bucket(value: f64) -> i32 {
    (value.log2() * f64::from(1 << SCALE)).ceil() as i32 - 1
}

/// Returns the geometric mean of a bucket.
fn middle(bucket: i32) -> f64 {
    ((f64::from(bucket) + 0.5) / f64::from(1 << SCALE)).exp2()
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], SketchError> {
    let (head, rest) = bytes.split_at_checked(count).ok_or(SketchError("bytes are missing"))?;
    *bytes = rest;
    Ok(head)
}

fn take_f64(bytes: &mut &[u8]) -> Result<f64, SketchError> {
    take(bytes, 8)?.try_into().map(f64::from_le_bytes).map_err(|_| SketchError("bytes are missing"))
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, SketchError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(SketchError("a number without end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bucket-by-bucket reference for merging bytes.
    impl Sketch {
        fn merge(&mut self, other: &Sketch) {
            for (side, others) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
                for (bucket, count) in &others.0 {
                    side.add(0, *bucket, *count);
                }
            }
            self.zero_count += other.zero_count;
            self.count += other.count;
            self.sum += other.sum;
            self.min = self.min.min(other.min);
            self.max = self.max.max(other.max);
        }

        fn from_bytes(bytes: &[u8]) -> Result<Sketch, SketchError> {
            let mut sketch = Sketch::default();
            sketch.merge_bytes(bytes)?;
            Ok(sketch)
        }
    }

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.insert(*value));
        sketch
    }

    /// Computes the nearest rank by sorting, with integers.
    fn exact(values: &[f64], per_mille: usize) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (per_mille * sorted.len()).div_ceil(1000);
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    #[test]
    fn ranks_are_exact_where_floats_are_not() {
        // 0.55 * 100 = 55.000000000000007 and 99.9 / 100 * 1000 = 999.0000000000001 in floats.
        for (q, count, rank) in [
            (0.55, 100, 55),
            (99.9 / 100.0, 1000, 999),
            (0.07, 100, 7),
            (0.95, 20, 19),
            (0.95, 21, 20),
            (0.5, 1, 1),
            (0.0, 9, 1),
            (1.0, 9, 9),
            (1.0, u64::MAX, u64::MAX),
        ] {
            assert_eq!(nearest_rank(q, count), rank, "{q} of {count}");
        }
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = sketch(&hundred).quantile(0.55).unwrap();
        assert!((found - 55.0).abs() < 0.4, "{found}");
    }

    #[test]
    fn buckets_are_those_of_the_data_model() {
        // base = 2^(1/64); (1, base] is bucket 0, 1 itself is the upper bound of bucket -1, 2 that of bucket 63.
        assert_eq!((bucket(1.0), bucket(1.000_001), bucket(2.0), bucket(4.0)), (-1, 0, 63, 127));
    }

    #[test]
    fn an_empty_sketch_has_no_quantile_and_one_value_is_exact() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        assert_eq!(sketch(&[123.4]).quantile(0.95), Some(123.4));
        assert_eq!(sketch(&[f64::NAN, f64::INFINITY]).count(), 0);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent_of_the_nearest_rank(
            values in prop::collection::vec(0.001..1e7_f64, 1..400), per_mille in 0..=1000_u16,
        ) {
            let expected = exact(&values, usize::from(per_mille));
            let found = sketch(&values).quantile(f64::from(per_mille) / 1000.0).unwrap();
            prop_assert!((found - expected).abs() <= expected * 0.01, "{found} for {expected}");
        }

        #[test]
        fn merging_is_the_same_as_inserting_all(
            a in prop::collection::vec(-1e6..1e6_f64, 0..100), b in prop::collection::vec(-1e6..1e6_f64, 0..100),
        ) {
            let mut merged = sketch(&a);
            merged.merge(&sketch(&b));
            let mut of_bytes = sketch(&a);
            of_bytes.merge_bytes(&sketch(&b).to_bytes()).unwrap();
            prop_assert_eq!(&of_bytes, &merged);
            let all = sketch(&[a, b].concat());
            prop_assert_eq!(merged.count(), all.count());
            for q in [0.0, 0.1, 0.5, 0.95, 1.0] {
                prop_assert_eq!(merged.quantile(q), all.quantile(q));
            }
        }

        #[test]
        fn bytes_read_back_and_garbage_is_an_error_and_no_panic(
            values in prop::collection::vec(-1e6..1e6_f64, 0..100), garbage in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let sketch = sketch(&values);
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
            let _read = Sketch::from_bytes(&garbage);
        }
    }
}
