//! Marks of a point that was made delta, for what OTLP cannot express: bits of its `flags` to which OTLP assigns no meaning.
//!
//! Only our own mapping reads them; a request that is sent as OTLP has none.

/// The point was cumulative.
pub const CONVERTED: u32 = 1 << 16;
/// Count and sum of a histogram are unknown for the time since the last point; for a summary, the count is.
pub const INEXACT: u32 = 1 << 17;
/// `min` is the overall minimum, not known to date from after the last point.
pub const MIN_IS_OLD: u32 = 1 << 18;
/// `max` is the overall maximum, not known to date from after the last point.
pub const MAX_IS_OLD: u32 = 1 << 19;
/// All marks.
pub const ALL: u32 = CONVERTED | INEXACT | MIN_IS_OLD | MAX_IS_OLD;

/// Decodes a bucket of a converted histogram, which may be negative (after a reset that nothing else indicated); `None` if
/// unknown.
#[must_use]
pub const fn bucket(written: u64) -> Option<i64> {
    match written.cast_signed() {
        i64::MIN => None,
        known => Some(known),
    }
}

/// Encodes such a bucket.
#[must_use]
pub const fn written(bucket: Option<i64>) -> u64 {
    match bucket {
        None => i64::MIN.cast_unsigned(),
        Some(known) => known.cast_unsigned(),
    }
}

/// Returns true if a point has a mark.
#[must_use]
pub const fn has(flags: u32, mark: u32) -> bool {
    flags & mark != 0
}
