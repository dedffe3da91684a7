//! Times as numbers since the Unix epoch. A time before it counts as the epoch.

use std::time::{Duration, SystemTime};

/// Returns the time since the epoch.
#[must_use]
pub fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Returns the time in nanoseconds.
#[must_use]
pub fn nanos(time: SystemTime) -> u64 {
    u64::try_from(since_epoch(time).as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time in microseconds.
#[must_use]
pub fn micros(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_micros()).unwrap_or(i64::MAX)
}

/// Returns the time in milliseconds.
#[must_use]
pub fn millis(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_millis()).unwrap_or(i64::MAX)
}

/// Returns the current time in milliseconds.
#[must_use]
pub fn now_ms() -> i64 {
    millis(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_in_each_unit() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(nanos(time), 1_700_000_000_123_456_789);
        assert_eq!((micros(time), millis(time)), (1_700_000_000_123_456, 1_700_000_000_123));
        assert_eq!(nanos(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
