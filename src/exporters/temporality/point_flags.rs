//! What a point that was made delta says about itself beyond OTLP: bits of its `flags` that OTLP has not given a meaning.
//!
//! Only a mapping of ours reads them; a request that goes out as OTLP bears none.

/// The point was a running total.
pub const CONVERTED: u32 = 1 << 16;
/// Count and sum of a histogram are not known for the time since the last point; of a summary, the count is not.
pub const INEXACT: u32 = 1 << 17;
/// `min` is the least value ever, and not known to be one since the last point.
pub const MIN_IS_OLD: u32 = 1 << 18;
/// `max` is the greatest value ever, and not known to be one since the last point.
pub const MAX_IS_OLD: u32 = 1 << 19;
/// All of them.
pub const ALL: u32 = CONVERTED | INEXACT | MIN_IS_OLD | MAX_IS_OLD;

/// A bucket of a converted histogram, as a number that may be below zero (after a reset that nothing else told);
/// `None` where it is not known.
#[must_use]
pub const fn bucket(written: u64) -> Option<i64> {
    match written.cast_signed() {
        i64::MIN => None,
        known => Some(known),
    }
}

/// The same, to be written.
#[must_use]
pub const fn written(bucket: Option<i64>) -> u64 {
    match bucket {
        None => i64::MIN.cast_unsigned(),
        Some(known) => known.cast_unsigned(),
    }
}

/// Whether a point bears a mark.
#[must_use]
pub const fn has(flags: u32, mark: u32) -> bool {
    flags & mark != 0
}
