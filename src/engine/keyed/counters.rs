//! Increases of cumulative counters: the difference of each point to the one before.
//!
//! As in OTLP's data model, a sequence of points is identified by its series and its start time: two processes that
//! send the same series are counted separately, and a process that restarts begins a new sequence.
//!
//! A point without a start, or with a start equal to its own time, has an unknown start ("Cumulative streams: handling
//! unknown start time" in the data model). Its value is a baseline that may have been counted long ago. All such points
//! of a series are one sequence, so that a sender whose start moves with each point is counted by the difference. Later
//! points with the start of the last one continue it.

use super::{number, text};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use point::{Increase, Point};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

mod point;

/// How far a sender's clock may be ahead, ms.
const AHEAD_MS_MAX: i64 = 3_600_000;

/// A series and its start time in ns since the epoch; 0 if unknown.
type Sequence = (i64, i64);

/// Last points of all counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    points: HashMap<Sequence, Point>,
    /// Sequences changed since the last [`Counters::commit`], with their previous point.
    moved: HashMap<Sequence, Option<Point>>,
    /// Maximum number of sequences.
    bound: usize,
    /// Names of metrics that are counters regardless of their type.
    names: HashSet<String>,
    /// When counting began on this installation. The first value of a counter that started later counts in full.
    epoch_unix_nano: i64,
    /// Number of points of counters beyond the limit, which have no known increase.
    pub(crate) overflowed: u64,
    /// Value of `overflowed` at the last warning.
    told: u64,
    /// When the last point of each sequence arrived, by our clock, because a sender's clock may be wrong.
    seen_ms: HashMap<Sequence, i64>,
    /// Our clock when rows were last added.
    now_ms: i64,
}

impl Counters {
    pub(crate) fn new(bound: usize, epoch_unix_nano: i64) -> Counters {
        Counters { bound, epoch_unix_nano, ..Counters::default() }
    }

    /// Logs a warning if counters have overflowed since the last one.
    pub(crate) fn tell_overflow(&mut self) {
        if self.overflowed > self.told {
            let (points, limit) = (self.overflowed - self.told, self.bound);
            tracing::warn!(
                points,
                limit,
                "cumulative counters beyond the bound are not counted: give connectors.performance.memory more, or \
                 send fewer series"
            );
            self.told = self.overflowed;
        }
    }

    /// Treats gauges and non-monotonic sums with these names as counters.
    pub(crate) fn count(&mut self, names: HashSet<String>) {
        self.names = names;
    }

    /// Restores a point written by [`Counters::moved`].
    pub(crate) fn restore(&mut self, key: &str, bytes: &[u8]) {
        // An earlier version stored one sequence per series, with the series as the key.
        let (series, start) = key.split_once('@').map_or((key, None), |(series, start)| (series, Some(start)));
        let (Ok(series), Some(point)) = (series.parse(), Point::from_bytes(bytes)) else { return };
        let sequence = (series, start.and_then(|start| start.parse().ok()).unwrap_or(point.start_unix_nano));
        self.seen_ms.insert(sequence, crate::model::unix_time::now_ms());
        let kept = self.points.entry(sequence).or_insert(point);
        if point.time_unix_nano > kept.time_unix_nano {
            *kept = point;
        }
    }

    /// Number of tracked sequences.
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// Returns the points changed since the last commit, as keys and bytes.
    pub(crate) fn moved(&self) -> Vec<(String, Vec<u8>)> {
        self.moved.keys().filter_map(|sequence| Some((key(*sequence), self.points.get(sequence)?.bytes()))).collect()
    }

    /// Confirms that the changes are stored.
    pub(crate) fn commit(&mut self) {
        self.moved.clear();
    }

    /// Reverts the changes, because the same rows will be flushed again.
    pub(crate) fn rollback(&mut self) {
        for (sequence, before) in std::mem::take(&mut self.moved) {
            match before {
                Some(point) => self.points.insert(sequence, point),
                None => self.points.remove(&sequence),
            };
        }
    }

    /// Returns the keys of sequences silent since `before_ms` of our clock.
    pub(crate) fn silent(&self, before_ms: i64) -> Vec<String> {
        let seen_ms = |sequence| self.seen_ms.get(sequence).copied().unwrap_or_default();
        self.points.keys().filter(|sequence| seen_ms(sequence) < before_ms).map(|sequence| key(*sequence)).collect()
    }

    /// The first value of a counter that started after this time counts in full.
    pub(crate) fn epoch_unix_nano(&self) -> i64 {
        self.epoch_unix_nano
    }

    /// Forgets sequences silent since `before_unix_nano`, by their keys. Moves the epoch to that time, because the
    /// values of a sequence that comes back were counted before.
    pub(crate) fn forget(&mut self, keys: &[String], before_unix_nano: i64) {
        self.epoch_unix_nano = self.epoch_unix_nano.max(before_unix_nano);
        let sequence = |key: &String| {
            let (series, start) = key.split_once('@')?;
            Some((series.parse().ok()?, start.parse().ok()?))
        };
        for sequence in keys.iter().filter_map(sequence) {
            self.points.remove(&sequence);
            self.seen_ms.remove(&sequence);
        }
    }

    /// Returns rows of `metrics` with the column `delta`.
    pub(crate) fn metrics(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let (series, time) = (number::<Int64Type>(batch, "series_id"), number::<Int64Type>(batch, "time_unix_nano"));
        let start = number::<Int64Type>(batch, "start_time_unix_nano");
        let value = number::<Float64Type>(batch, "value");
        let (name, kind, temporality) = (text(batch, "name"), text(batch, "kind"), text(batch, "temporality"));
        let monotonic = batch
            .column_by_name("is_monotonic")
            .and_then(|column| arrow::array::AsArray::as_boolean_opt(column).cloned());
        self.now_ms = crate::model::unix_time::now_ms();
        let latest = self.latest_unix_nano();
        let grows = |row: usize| monotonic.as_ref().is_some_and(|column| column.value(row));
        let is_counter: Vec<bool> = (0..batch.num_rows())
            .map(|row| match kind(row) {
                Some("sum") if grows(row) => temporality(row).is_some(),
                _ => name(row).is_some_and(|name| self.names.contains(name)),
            })
            .collect();
        let delta = |counters: &mut Counters, row: usize| {
            if !is_counter[row] {
                return None;
            }
            let value = value(row).filter(|value| value.is_finite())?;
            if temporality(row) == Some("delta") {
                // A monotonic sum has no negative increase.
                return (value >= 0.0).then_some(value);
            }
            // The start of a gauge is not the start of a count.
            let start = if kind(row) == Some("sum") { start(row).unwrap_or(0) } else { 0 };
            let point = Point::new((start, time(row)?), latest, value, 0.0);
            counters.advance(series(row)?, point).map(|increase| increase.value)
        };
        let mut deltas = vec![None; batch.num_rows()];
        for row in by_time(batch.num_rows(), &time) {
            deltas[row] = delta(self, row);
        }
        let deltas = Float64Array::from(deltas);
        with_columns(batch, schema, vec![Arc::new(deltas)])
    }

    /// Returns rows of `histograms` with the columns `delta_count` and `delta_sum`.
    pub(crate) fn histograms(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let (series, time) = (number::<Int64Type>(batch, "series_id"), number::<Int64Type>(batch, "time_unix_nano"));
        let start = number::<Int64Type>(batch, "start_time_unix_nano");
        let (count, sum) = (number::<Int64Type>(batch, "count"), number::<Float64Type>(batch, "sum"));
        let temporality = text(batch, "temporality");
        self.now_ms = crate::model::unix_time::now_ms();
        let latest = self.latest_unix_nano();
        let increase = |counters: &mut Counters, row: usize| {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let (value, sum) = (count(row)? as f64, sum(row).filter(|sum| sum.is_finite()).unwrap_or(0.0));
            if temporality(row) == Some("delta") {
                return Some(Increase { value, sum });
            }
            let point = Point::new((start(row).unwrap_or(0), time(row)?), latest, value, sum);
            counters.advance(series(row)?, point)
        };
        let mut increases: Vec<Option<Increase>> = vec![None; batch.num_rows()];
        for row in by_time(batch.num_rows(), &time) {
            increases[row] = increase(self, row);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a difference of counts")]
        let counts: Int64Array = increases.iter().map(|increase| increase.map(|i| i.value as i64)).collect();
        let sums: Float64Array = increases.iter().map(|increase| increase.map(|i| i.sum)).collect();
        with_columns(batch, schema, vec![Arc::new(counts), Arc::new(sums)])
    }

    /// Adds a point. Returns the increase since the last point of its sequence, or `None` if unknown.
    fn advance(&mut self, series: i64, mut point: Point) -> Option<Increase> {
        let sequence = (series, if point.begins_unknown { 0 } else { point.start_unix_nano });
        if let Some(seen_ms) = self.seen_ms.get_mut(&sequence) {
            *seen_ms = self.now_ms;
        }
        if let Some(last) = self.points.get(&sequence).copied() {
            if point.time_unix_nano <= last.time_unix_nano {
                return None;
            }
            if point.begins_unknown {
                return self.resume(series, last, point);
            }
            point.follows_unknown = last.begins_unknown || last.follows_unknown;
            self.put(sequence, point);
            // A lower value means that the counter was reset, though its start is the same.
            return point.since(&last).or(point.whole());
        }
        if self.points.len() >= self.bound {
            self.overflowed += 1;
            return None;
        }
        if point.begins_unknown {
            self.put(sequence, point);
            return None;
        }
        let unknown = self.points.get(&(series, 0)).copied();
        if let Some(first) = unknown.filter(|first| first.start_unix_nano == point.start_unix_nano) {
            point.follows_unknown = true;
            self.put(sequence, point);
            return point.since(&first).or(point.whole());
        }
        // It may continue a point of unknown start that a later one has replaced.
        point.follows_unknown = unknown.is_some_and(|last| point.start_unix_nano < last.start_unix_nano);
        self.put(sequence, point);
        // The value of a counter that started before the epoch belongs to past windows.
        point.whole().filter(|_| !point.follows_unknown && point.start_unix_nano >= self.epoch_unix_nano)
    }

    /// Continues the sequence of unknown starts.
    fn resume(&mut self, series: i64, last: Point, point: Point) -> Option<Increase> {
        self.put((series, 0), point);
        // Other points continued the last one, so this one begins a new sequence.
        if last.start_unix_nano > 0 && self.points.contains_key(&(series, last.start_unix_nano)) {
            return None;
        }
        // Without a start, a lower value is the only sign of a reset. A new start is one as well, but the time of the
        // reset is unknown.
        point.since(&last).or_else(|| point.whole().filter(|_| point.start_unix_nano == 0))
    }

    /// Returns series with an unknown start whose points repeat a start time, and that time.
    pub(crate) fn unknown_starts(&self) -> impl Iterator<Item = (i64, i64)> {
        let begins = |(sequence, point): (&Sequence, &Point)| match point {
            point if point.follows_unknown => Some(*sequence),
            point if point.begins_unknown && point.start_unix_nano > 0 => Some((sequence.0, point.start_unix_nano)),
            _ => None,
        };
        self.points.iter().filter_map(begins)
    }

    fn put(&mut self, sequence: Sequence, point: Point) {
        let before = self.points.insert(sequence, point);
        self.seen_ms.insert(sequence, self.now_ms);
        self.moved.entry(sequence).or_insert(before);
    }

    /// Limit for times of points: with a later one, the series would ignore all points until then.
    fn latest_unix_nano(&self) -> i64 {
        (self.now_ms + AHEAD_MS_MAX).saturating_mul(1_000_000)
    }
}

/// Returns the rows in the order of their times, because points in one batch may be out of order.
fn by_time(rows: usize, time: impl Fn(usize) -> Option<i64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if !order.is_sorted_by_key(|row| time(*row)) {
        order.sort_by_key(|row| time(*row));
    }
    order
}

/// Returns the key of a sequence in the state database.
fn key((series, start_unix_nano): Sequence) -> String {
    format!("{series}@{start_unix_nano}")
}

fn with_columns(batch: &RecordBatch, schema: &SchemaRef, added: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().cloned().chain(added).collect();
    RecordBatch::try_new(schema.clone(), columns)
}

#[cfg(test)]
mod tests;
