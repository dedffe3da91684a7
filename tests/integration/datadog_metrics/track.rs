//! Simulates a series at its sender, from point to point.

use super::random::Random;
use super::values::{attribute, attributes, key_value};
use opentelemetry_proto::tonic::common::v1::KeyValue;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// Base time of points; both our process and the oracle's start between the two constants below.
pub(crate) const TIME: u64 = 4_000_000_000 * SECOND;
/// Before any process started.
pub(crate) const START_BEFORE: u64 = 1_000_000_000 * SECOND;
/// After any process started.
pub(crate) const START_AFTER: u64 = 3_900_000_000 * SECOND;

/// State of a series at its sender.
pub(crate) struct Track {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) total: f64,
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) buckets: Vec<u64>,
}

pub(crate) fn track(random: &mut Random, point: u64, has_buckets: bool) -> Track {
    let mut attributes = if random.one_in(3) { attributes(random) } else { Vec::new() };
    if point > 0 || random.one_in(2) {
        attributes.push(key_value("point", attribute(&point.to_string())));
    }
    if random.one_in(10) {
        let kind = random.pick(&["rate", "Rate", "count", "gauge", "nonsense", ""]);
        attributes.push(key_value("datadog.metric.as_type", attribute(kind)));
    }
    let bounds: Vec<f64> = match random.below(8) {
        0 if !has_buckets => Vec::new(),
        1 => vec![0.0],
        2 => vec![-10.0, -1.0, 0.0, 1.0, 10.0],
        3 => vec![0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
        4 => vec![1e-12, 1e-9, 1e9, 1e300, 1e301],
        5 => vec![1.0, f64::INFINITY],
        6 => vec![0.0, 100_000.0, 1_234_567.0, 1e7],
        _ => {
            let mut bound = random.unit() * 10.0 - 3.0;
            (0..=random.below(6))
                .map(|_| {
                    bound += random.unit() * 20.0 + 0.01;
                    bound
                })
                .collect()
        }
    };
    let without_buckets = !has_buckets && random.one_in(6);
    let buckets = if without_buckets { Vec::new() } else { vec![0; bounds.len() + 1] };
    let bounds = if without_buckets { Vec::new() } else { bounds };
    let start = random.pick(&[0, START_BEFORE, START_AFTER, START_AFTER]);
    Track {
        attributes,
        start,
        time: TIME + random.below(50) * SECOND,
        total: 0.0,
        count: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        bounds,
        buckets,
    }
}

/// Advances the series to its next point.
impl Track {
    pub(crate) fn step(&mut self, random: &mut Random) {
        match random.below(20) {
            // Out of order, and a repeated timestamp.
            0 => self.time -= SECOND * random.below(30),
            1 => {}
            // A reset with a new start time, one without, and one at an unknown time.
            2 => {
                self.reset();
                self.start = self.time;
                self.time += 10 * SECOND;
            }
            3 => {
                self.reset();
                self.time += 10 * SECOND;
            }
            4 => {
                self.time += 10 * SECOND;
                self.start = self.time;
            }
            _ => self.time += random.pick(&[SECOND, 10 * SECOND, 60 * SECOND, 9_970_000_000, 10_100_000_000]),
        }
    }

    pub(crate) fn reset(&mut self) {
        (self.total, self.count) = (0.0, 0);
        (self.min, self.max) = (f64::INFINITY, f64::NEG_INFINITY);
        self.buckets.iter_mut().for_each(|bucket| *bucket = 0);
    }

    /// Adds some values to a histogram.
    pub(crate) fn observe(&mut self, random: &mut Random) {
        let most = random.pick(&[0, 1, 1, 5, 100, 70_000, 200_000]);
        let buckets = self.buckets.len();
        for bucket in 0..buckets.max(1) {
            let count = if random.one_in(3) { 0 } else { random.below(most + 1) };
            if let Some(bucket) = self.buckets.get_mut(bucket) {
                *bucket += count;
            }
            self.count += count;
            #[expect(clippy::cast_precision_loss, reason = "a test")]
            let sum = count as f64 * (random.unit() * 10.0 - 1.0);
            self.total += sum;
        }
        self.min = self.min.min(random.unit() * 10.0 - 5.0);
        self.max = self.max.max(random.unit() * 100.0).max(self.min);
    }
}
