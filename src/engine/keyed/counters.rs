//! Counters by their increase: what senders count since their start becomes what was counted since the last point.
//!
//! A sequence of points is told by its series and the start of its counting, as OTLP's data model has it: two processes
//! that send one series each count for themselves, and a process that began anew begins a sequence of its own.
//!
//! A point without a start, or whose start is its own time, says that the start is not known ("Cumulative streams: handling
//! unknown start time" in the data model). Its value is a baseline: what it has counted may have been counted long ago.
//! All such points of a series are one sequence, so that a sender whose start moves with each point still counts by the
//! difference. Points that follow with the start of the last one go on from it.

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

/// A series, and when its counting began: ns since the epoch, 0 where that is not known.
type Sequence = (i64, i64);

/// The last points of all counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    points: HashMap<Sequence, Point>,
    /// Sequences that moved since the last [`Counters::commit`], with the point before.
    moved: HashMap<Sequence, Option<Point>>,
    /// How many sequences are followed.
    bound: usize,
    /// Names of metrics that count, whatever their senders call them.
    names: HashSet<String>,
    /// When counting began here: what a counter that began later shows at first is all new.
    epoch_unix_nano: i64,
    /// Points of counters beyond the bound, of which no increase is known.
    pub(crate) overflowed: u64,
    /// How many of them people have been told of.
    told: u64,
    /// When each sequence last came in, by our clock: a sender's may be wrong.
    seen_ms: HashMap<Sequence, i64>,
    /// Our clock, when rows were last taken.
    now_ms: i64,
}

impl Counters {
    pub(crate) fn new(bound: usize, epoch_unix_nano: i64) -> Counters {
        Counters { bound, epoch_unix_nano, ..Counters::default() }
    }

    /// Says in the log that counters overflow, if they have since the last time.
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

    /// Takes metrics of these names for counters where they are gauges, or sums that may fall.
    pub(crate) fn count(&mut self, names: HashSet<String>) {
        self.names = names;
    }

    /// Puts back a point that [`Counters::moved`] gave.
    pub(crate) fn restore(&mut self, key: &str, bytes: &[u8]) {
        // An earlier version kept one sequence a series, by the series alone.
        let (series, start) = key.split_once('@').map_or((key, None), |(series, start)| (series, Some(start)));
        let (Ok(series), Some(point)) = (series.parse(), Point::from_bytes(bytes)) else { return };
        let sequence = (series, start.and_then(|start| start.parse().ok()).unwrap_or(point.start_unix_nano));
        self.seen_ms.insert(sequence, crate::engine::clock::now_ms());
        let kept = self.points.entry(sequence).or_insert(point);
        if point.time_unix_nano > kept.time_unix_nano {
            *kept = point;
        }
    }

    /// How many sequences are followed.
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// The points that moved since the last commit, as keys and bytes.
    pub(crate) fn moved(&self) -> Vec<(String, Vec<u8>)> {
        self.moved.keys().filter_map(|sequence| Some((key(*sequence), self.points.get(sequence)?.bytes()))).collect()
    }

    /// What moved is durable.
    pub(crate) fn commit(&mut self) {
        self.moved.clear();
    }

    /// What moved is not durable: the same rows will come again.
    pub(crate) fn rollback(&mut self) {
        for (sequence, before) in std::mem::take(&mut self.moved) {
            match before {
                Some(point) => self.points.insert(sequence, point),
                None => self.points.remove(&sequence),
            };
        }
    }

    /// Sequences that have been silent since `before_ms` of our clock, by their keys.
    pub(crate) fn silent(&self, before_ms: i64) -> Vec<String> {
        let seen_ms = |sequence| self.seen_ms.get(sequence).copied().unwrap_or_default();
        self.points.keys().filter(|sequence| seen_ms(sequence) < before_ms).map(|sequence| key(*sequence)).collect()
    }

    /// What a counter that began later shows at first is all new.
    pub(crate) fn epoch_unix_nano(&self) -> i64 {
        self.epoch_unix_nano
    }

    /// Forgets sequences by their keys, which have been silent since `before_unix_nano`. One that comes back had been counted
    /// before: only what began since then is all new.
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

    /// Rows of `metrics` with the column `delta`.
    pub(crate) fn metrics(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let (series, time) = (number::<Int64Type>(batch, "series_id"), number::<Int64Type>(batch, "time_unix_nano"));
        let start = number::<Int64Type>(batch, "start_time_unix_nano");
        let value = number::<Float64Type>(batch, "value");
        let (name, kind, temporality) = (text(batch, "name"), text(batch, "kind"), text(batch, "temporality"));
        let monotonic = batch
            .column_by_name("is_monotonic")
            .and_then(|column| arrow::array::AsArray::as_boolean_opt(column).cloned());
        self.now_ms = crate::engine::clock::now_ms();
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
                // What only grows has no increase below 0.
                return (value >= 0.0).then_some(value);
            }
            // The start of a gauge is that of nothing counted.
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

    /// Rows of `histograms` with the columns `delta_count` and `delta_sum`.
    pub(crate) fn histograms(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let (series, time) = (number::<Int64Type>(batch, "series_id"), number::<Int64Type>(batch, "time_unix_nano"));
        let start = number::<Int64Type>(batch, "start_time_unix_nano");
        let (count, sum) = (number::<Int64Type>(batch, "count"), number::<Float64Type>(batch, "sum"));
        let temporality = text(batch, "temporality");
        self.now_ms = crate::engine::clock::now_ms();
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

    /// Moves a series to a point; the increase since the last one of its sequence, `None` where that is not known.
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
            // A counter that goes down began anew, though its sender does not say so.
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
        // It may go on from a point of an unknown start that another has replaced since.
        point.follows_unknown = unknown.is_some_and(|last| point.start_unix_nano < last.start_unix_nano);
        self.put(sequence, point);
        // What was counted before anybody looked here belongs to windows that are over.
        point.whole().filter(|_| !point.follows_unknown && point.start_unix_nano >= self.epoch_unix_nano)
    }

    /// Moves the sequence of unknown starts on from its last point.
    fn resume(&mut self, series: i64, last: Point, point: Point) -> Option<Increase> {
        self.put((series, 0), point);
        // Others went on from the last one, so this begins a sequence of its own.
        if last.start_unix_nano > 0 && self.points.contains_key(&(series, last.start_unix_nano)) {
            return None;
        }
        // Without any start a lower value is all that tells a reset. A start of its own tells one, too: nobody knows when.
        point.since(&last).or_else(|| point.whole().filter(|_| point.start_unix_nano == 0))
    }

    /// Series whose newest points go on from one whose start is not known, with the start that they give.
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

    /// A point of a later time is taken for one of this: else its series would stand still until then.
    fn latest_unix_nano(&self) -> i64 {
        (self.now_ms + AHEAD_MS_MAX).saturating_mul(1_000_000)
    }
}

/// Rows in the order of their times: of points that come in together a later one may stand first.
fn by_time(rows: usize, time: impl Fn(usize) -> Option<i64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if !order.is_sorted_by_key(|row| time(*row)) {
        order.sort_by_key(|row| time(*row));
    }
    order
}

/// A sequence as the state database names it.
fn key((series, start_unix_nano): Sequence) -> String {
    format!("{series}@{start_unix_nano}")
}

fn with_columns(batch: &RecordBatch, schema: &SchemaRef, added: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().cloned().chain(added).collect();
    RecordBatch::try_new(schema.clone(), columns)
}

#[cfg(test)]
mod tests;
