//! A stored point of a counter.

/// Flags that are stored after the numbers.
const BEGINS_UNKNOWN: u8 = 1;
const FOLLOWS_UNKNOWN: u8 = 2;

/// Increase between two points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Increase {
    pub(super) value: f64,
    pub(super) sum: f64,
}

/// A point of a counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// As the sender gives it; 0 if there is none.
    pub(super) start_unix_nano: i64,
    pub(super) time_unix_nano: i64,
    /// Value of a counter, or count of a histogram.
    pub(super) value: f64,
    /// Sum of a histogram.
    pub(super) sum: f64,
    /// Whether its start is unknown.
    pub(super) begins_unknown: bool,
    /// Whether it repeats the start of a point with an unknown start.
    pub(super) follows_unknown: bool,
}

impl Point {
    /// Creates a point from its start and time. A time after `latest` is replaced by `latest`.
    pub(super) fn new((start, time): (i64, i64), latest: i64, value: f64, sum: f64) -> Point {
        Point {
            start_unix_nano: start.max(0),
            time_unix_nano: time.min(latest),
            value,
            sum,
            // A start after the point itself is unknown as well.
            begins_unknown: start <= 0 || start >= time,
            follows_unknown: false,
        }
    }

    /// Returns its whole value as an increase, unless it is negative.
    pub(super) fn whole(&self) -> Option<Increase> {
        (self.value >= 0.0).then_some(Increase { value: self.value, sum: self.sum })
    }

    /// Returns the increase since an earlier point; `None` if the value went down.
    pub(super) fn since(&self, before: &Point) -> Option<Increase> {
        let (value, sum) = (self.value - before.value, (self.sum - before.sum).max(0.0));
        (value >= 0.0).then_some(Increase { value, sum })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let mut bytes = Vec::with_capacity(33);
        bytes.extend(self.start_unix_nano.to_le_bytes());
        bytes.extend(self.time_unix_nano.to_le_bytes());
        bytes.extend(self.value.to_le_bytes());
        bytes.extend(self.sum.to_le_bytes());
        bytes.push(flag(self.begins_unknown, BEGINS_UNKNOWN) | flag(self.follows_unknown, FOLLOWS_UNKNOWN));
        bytes
    }

    /// Reads the output of [`Point::bytes`]; an earlier version wrote no flags.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Point> {
        let (numbers, flags) = bytes.split_first_chunk::<32>()?;
        let part = |at: usize| <[u8; 8]>::try_from(&numbers[at..at + 8]).unwrap_or_default();
        let (start, time) = (i64::from_le_bytes(part(0)), i64::from_le_bytes(part(8)));
        let plain = Point::new((start, time), time, f64::from_le_bytes(part(16)), f64::from_le_bytes(part(24)));
        match flags {
            [] => Some(plain),
            [flags] => Some(Point {
                begins_unknown: flags & BEGINS_UNKNOWN != 0,
                follows_unknown: flags & FOLLOWS_UNKNOWN != 0,
                ..plain
            }),
            _ => None,
        }
    }
}
