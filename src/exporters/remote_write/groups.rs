//! Groups points by the series they become; the points of a series are ordered by time.

use super::labels::Labels;
use super::native;
use super::proto::{Histogram, MetricType, Sample};
use crate::exporters::temporality::exponential::Exponential;
use std::collections::BTreeMap;

/// The NaN that marks the end of a series in Prometheus.
pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
/// The NaN sent for any other NaN.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The shape of a family's points. Points of different shapes share no series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Number,
    Classic,
    Native,
    Summary,
}

/// Identity of a group: name, labels without the name, shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) family: String,
    pub(super) labels: Labels,
    pub(super) shape: Shape,
}

/// Metadata of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) kind: MetricType,
    pub(super) help: String,
    pub(super) unit: String,
}

/// A measured value, and its trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exemplar {
    pub(super) labels: Labels,
    pub(super) value: f64,
    pub(super) time_ms: i64,
}

/// Explicit buckets, or a summary's quantiles: series that differ in one label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parted {
    /// Bound and cumulative count, or quantile and value.
    pub(super) parts: Vec<(f64, f64)>,
    pub(super) sum: Option<f64>,
    pub(super) count: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// The series ends here.
    Stale,
    Number(f64),
    Parted(Parted),
    Native(Box<Exponential>),
}

impl Value {
    fn is_nan(&self) -> bool {
        matches!(self, Value::Number(number) if number.is_nan())
    }
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Start of the count; 0 if unknown.
    pub(super) start_ms: i64,
    pub(super) value: Value,
    pub(super) exemplars: Vec<Exemplar>,
}

/// Points that become the same series.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) meta: Meta,
    /// Number of received points it represents.
    pub(super) items: u64,
    /// By time, ms since the epoch.
    points: BTreeMap<i64, Point>,
}

/// One series, ready to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) samples: Vec<Sample>,
    pub(super) histograms: Vec<Histogram>,
    pub(super) exemplars: Vec<Exemplar>,
}

impl Group {
    pub(super) fn new(meta: Meta) -> Group {
        Group { meta, items: 0, points: BTreeMap::new() }
    }

    /// Adds a point. Of two with the same time the later one is kept: counters were summed before. Returns false if it differs
    /// from the point it replaces.
    pub(super) fn put(&mut self, time_ms: i64, point: Point) -> bool {
        let value = point.value.clone();
        let before = self.points.insert(time_ms, point);
        let is_first = before.is_none_or(|before| before.value == value || (before.value.is_nan() && value.is_nan()));
        self.items += u64::from(is_first);
        is_first
    }

    /// Returns the series, ordered by labels.
    pub(super) fn series(&self, key: &Key) -> Vec<Series> {
        let mut all: BTreeMap<Labels, Series> = BTreeMap::new();
        for (time_ms, point) in &self.points {
            let mut writing = Writing { key, all: &mut all, time_ms: *time_ms, start_ms: point.start_ms };
            match key.shape {
                Shape::Number => writing.number(point),
                Shape::Native => writing.native(point),
                Shape::Classic => writing.parted(point, "_bucket", "le"),
                Shape::Summary => writing.parted(point, "", "quantile"),
            }
        }
        let finished = all.into_iter().map(|(labels, mut series)| {
            series.exemplars.sort_by_key(|exemplar| exemplar.time_ms);
            Series { labels, ..series }
        });
        finished.collect()
    }
}

/// A point being written to its series.
struct Writing<'a> {
    key: &'a Key,
    all: &'a mut BTreeMap<Labels, Series>,
    time_ms: i64,
    start_ms: i64,
}

impl Writing<'_> {
    fn number(&mut self, point: &Point) {
        let value = if let Value::Number(value) = point.value { value } else { STALE };
        self.sample("", None, value).exemplars.extend(point.exemplars.iter().cloned());
    }

    fn native(&mut self, point: &Point) {
        let (timestamp, start_timestamp) = (self.time_ms, self.start());
        let histogram = match &point.value {
            // Unconvertible histograms were reported before.
            Value::Native(exponential) => native::histogram(exponential).ok(),
            _ => Some(Histogram {
                count: Some(STALE.to_bits()),
                sum: STALE,
                zero_count: Some(0),
                ..Histogram::default()
            }),
        };
        let Some(histogram) = histogram else { return };
        let series = self.series("", None);
        series.histograms.push(Histogram { timestamp, start_timestamp, ..histogram });
        series.exemplars.extend(point.exemplars.iter().cloned());
    }

    /// Writes `_sum`, `_count`, and a series for each part; the last bucket is `+Inf`.
    fn parted(&mut self, point: &Point, suffix: &str, label: &str) {
        let ends = Parted { parts: Vec::new(), sum: Some(STALE), count: STALE };
        let parted = if let Value::Parted(parted) = &point.value { parted } else { &ends };
        if let Some(sum) = parted.sum {
            self.sample("_sum", None, sum);
        }
        self.sample("_count", None, parted.count);
        let mut parts = parted.parts.clone();
        if label == "le" {
            parts.retain(|(bound, _)| *bound < f64::INFINITY);
            parts.push((f64::INFINITY, parted.count));
        }
        // A bucket has the exemplars up to its bound; a summary has none.
        let mut exemplars: Vec<&Exemplar> =
            point.exemplars.iter().filter(|exemplar| !exemplar.value.is_nan()).collect();
        exemplars.sort_by(|one, other| one.value.total_cmp(&other.value));
        let mut exemplars = exemplars.into_iter().peekable();
        for (at, value) in parts {
            let text = if at == f64::INFINITY { "+Inf".to_owned() } else { format!("{at}") };
            let series = self.sample(suffix, Some((label, text)), value);
            while let Some(exemplar) = exemplars.next_if(|exemplar| exemplar.value <= at) {
                series.exemplars.push(exemplar.clone());
            }
        }
    }

    fn start(&self) -> i64 {
        // A start that is not before its point means unknown.
        if self.start_ms < self.time_ms { self.start_ms } else { 0 }
    }

    fn sample(&mut self, suffix: &str, label: Option<(&str, String)>, value: f64) -> &mut Series {
        let value = if value.is_nan() && value.to_bits() != STALE.to_bits() { NAN } else { value };
        let sample = Sample { value, timestamp: self.time_ms, start_timestamp: self.start() };
        let series = self.series(suffix, label);
        series.samples.push(sample);
        series
    }

    fn series(&mut self, suffix: &str, label: Option<(&str, String)>) -> &mut Series {
        let mut labels = self.key.labels.clone();
        labels.insert("__name__".to_owned(), format!("{}{suffix}", self.key.family));
        if let Some((name, value)) = label {
            labels.insert(name.to_owned(), value);
        }
        self.all.entry(labels).or_default()
    }
}
