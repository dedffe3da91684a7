//! Prints families in Prometheus' protobuf format: length-delimited `io.prometheus.client.MetricFamily` messages.
//!
//! Fields are written one by one, so that a series' labels are copied as they were encoded once.

use super::body::Body;
use super::exemplars::{self, newest};
use super::families::Placed;
use super::merge::cumulated;
use super::naming::Labels;
use super::native::{self, NativeHistogram};
use super::point::Point;
use super::text::TARGET_HELP;
use crate::model::scrape::{Exemplar, FamilyKind, SampleValue};
use prost::encoding::{encode_varint, encoded_len_varint};
use std::io;

/// Prints one scrape.
pub(super) struct Printer<'a> {
    body: &'a mut Body,
    with_times: bool,
    /// Whether exponential histograms have classic buckets too.
    with_classic: bool,
    family: Vec<u8>,
    metric: Vec<u8>,
    value: Vec<u8>,
}

/// Values of `MetricType`.
const fn type_of(kind: FamilyKind) -> u64 {
    match kind {
        FamilyKind::Counter => 0,
        FamilyKind::Gauge | FamilyKind::UpDown => 1,
        FamilyKind::Summary => 2,
        FamilyKind::Histogram => 4,
    }
}

impl<'a> Printer<'a> {
    pub(super) fn new(body: &'a mut Body, with_times: bool, with_classic: bool) -> Printer<'a> {
        let (family, metric, value) = Default::default();
        Printer { body, with_times, with_classic, family, metric, value }
    }

    /// Prints the resources.
    ///
    /// # Errors
    /// Those of the body.
    pub(super) fn targets(&mut self, target_info: &str, targets: &[Labels]) -> io::Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        self.head(target_info, TARGET_HELP, FamilyKind::Gauge);
        for labels in targets {
            let one = SampleValue::Number(1.0);
            self.metric(
                FamilyKind::Gauge,
                &render(labels),
                &one,
                &Rest { time_ms: None, created_ms: None, exemplars: &[] },
            );
        }
        self.end(None)
    }

    /// Prints a family.
    ///
    /// # Errors
    /// Those of the body.
    pub(super) fn family(&mut self, family: &Placed<'_>, points: &[Point<'_>]) -> io::Result<()> {
        self.head(&family.name.full, family.help, family.kind);
        for point in points {
            let time_ms = point.time_ms.filter(|_| self.with_times);
            let rest = Rest { time_ms, created_ms: point.created_ms, exemplars: &point.exemplars };
            self.metric(family.kind, point.labels, &point.value, &rest);
        }
        self.end(family.name.unit.as_deref())
    }

    fn head(&mut self, name: &str, help: &str, kind: FamilyKind) {
        self.family.clear();
        bytes(&mut self.family, 1, name.as_bytes());
        if !help.is_empty() {
            bytes(&mut self.family, 2, help.as_bytes());
        }
        whole(&mut self.family, 3, type_of(kind));
    }

    fn metric(&mut self, kind: FamilyKind, labels: &[u8], value: &SampleValue, rest: &Rest<'_>) {
        self.value.clear();
        let out = &mut self.value;
        let field = match value {
            SampleValue::Number(value) if kind == FamilyKind::Counter => {
                double(out, 1, *value);
                if let Some(exemplar) = newest(rest.exemplars) {
                    bytes(out, 2, &encoded_exemplar(exemplar));
                }
                created(out, 3, rest.created_ms);
                3
            }
            SampleValue::Number(value) => {
                double(out, 1, *value);
                2
            }
            SampleValue::Summary { quantiles, sum, count } => {
                whole(out, 1, *count);
                double(out, 2, *sum);
                for (quantile, value) in quantiles {
                    let mut pair = Vec::with_capacity(18);
                    double(&mut pair, 1, *quantile);
                    double(&mut pair, 2, *value);
                    bytes(out, 3, &pair);
                }
                created(out, 4, rest.created_ms);
                4
            }
            SampleValue::Histogram { .. } => {
                buckets(out, value, rest, true);
                created(out, 15, rest.created_ms);
                7
            }
            SampleValue::Exponential(exponential) => {
                let native = native::native(exponential);
                if self.with_classic || native.is_none() {
                    buckets(out, &native::classic(exponential), rest, native.is_none());
                }
                if let Some(native) = native {
                    native_fields(out, &native, rest.exemplars);
                }
                created(out, 15, rest.created_ms);
                7
            }
        };
        self.metric.clear();
        self.metric.extend_from_slice(labels);
        bytes(&mut self.metric, field, &self.value);
        if let Some(ms) = rest.time_ms {
            whole(&mut self.metric, 6, ms.cast_unsigned());
        }
        bytes(&mut self.family, 4, &self.metric);
    }

    fn end(&mut self, unit: Option<&str>) -> io::Result<()> {
        if let Some(unit) = unit {
            bytes(&mut self.family, 5, unit.as_bytes());
        }
        encode_varint(self.family.len() as u64, &mut self.body.out);
        self.body.out.extend_from_slice(&self.family);
        self.body.step()
    }
}

/// Everything in a metric except labels and value.
struct Rest<'a> {
    time_ms: Option<i64>,
    created_ms: Option<i64>,
    exemplars: &'a [Exemplar],
}

/// Writes the fields of a classic histogram, with the totals if no native one provides them.
fn buckets(out: &mut Vec<u8>, value: &SampleValue, rest: &Rest<'_>, with_totals: bool) {
    let SampleValue::Histogram { bounds, counts, sum, count } = value else { return };
    if with_totals {
        // A sender's count may be less than the sum of its buckets.
        whole(out, 1, counts.iter().fold(0u64, |all, count| all.saturating_add(*count)).max(*count));
        double(out, 2, *sum);
    }
    let exemplars = exemplars::by_bucket(rest.exemplars, bounds);
    let mut bucket = Vec::with_capacity(24);
    for (at, (bound, below)) in cumulated(bounds, counts).enumerate().filter(|(_, (bound, _))| bound.is_finite()) {
        bucket.clear();
        whole(&mut bucket, 1, below);
        double(&mut bucket, 2, bound);
        if let Some(exemplar) = exemplars.get(at).copied().flatten() {
            bytes(&mut bucket, 3, &encoded_exemplar(exemplar));
        }
        bytes(out, 3, &bucket);
    }
    // The count already covers the `+Inf` bucket: it is written only for its exemplar.
    if let Some(exemplar) = exemplars.last().copied().flatten() {
        bucket.clear();
        whole(&mut bucket, 1, counts.iter().fold(0u64, |all, count| all.saturating_add(*count)).max(*count));
        double(&mut bucket, 2, f64::INFINITY);
        bytes(&mut bucket, 3, &encoded_exemplar(exemplar));
        bytes(out, 3, &bucket);
    }
}

fn native_fields(out: &mut Vec<u8>, of: &NativeHistogram, exemplars: &[Exemplar]) {
    whole(out, 1, of.count);
    double(out, 2, of.sum);
    whole(out, 5, zigzag(of.scale.into()));
    double(out, 6, of.zero_threshold);
    whole(out, 7, of.zero_count);
    for (first, (spans, deltas)) in [(9, &of.negative), (12, &of.positive)] {
        let mut part = Vec::new();
        for span in spans {
            part.clear();
            whole(&mut part, 1, zigzag(span.offset.into()));
            whole(&mut part, 2, span.length.into());
            bytes(out, first, &part);
        }
        for delta in deltas {
            whole(out, first + 1, zigzag(*delta));
        }
    }
    // For native histograms, only exemplars with a timestamp are read.
    for exemplar in exemplars.iter().filter(|exemplar| exemplar.time_unix_nano > 0) {
        bytes(out, 16, &encoded_exemplar(exemplar));
    }
}

fn encoded_exemplar(exemplar: &Exemplar) -> Vec<u8> {
    let mut out = Vec::with_capacity(100);
    for (name, text) in exemplars::labels(exemplar) {
        label(&mut out, name, text);
    }
    double(&mut out, 2, exemplar.value);
    if exemplar.time_unix_nano > 0 {
        bytes(&mut out, 3, &timestamp(exemplar.time_unix_nano));
    }
    out
}

fn created(out: &mut Vec<u8>, field: u32, ms: Option<i64>) {
    if let Some(ms) = ms {
        bytes(out, field, &timestamp(ms.saturating_mul(1_000_000)));
    }
}

/// Encodes a `google.protobuf.Timestamp`.
fn timestamp(unix_nano: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(12);
    whole(&mut out, 1, unix_nano.div_euclid(1_000_000_000).cast_unsigned());
    whole(&mut out, 2, unix_nano.rem_euclid(1_000_000_000).cast_unsigned());
    out
}

/// Encodes labels as fields of a metric.
pub(super) fn render(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::with_capacity(labels.iter().map(|(name, text)| name.len() + text.len() + 8).sum());
    for (name, text) in labels {
        label(&mut out, name, text);
    }
    out
}

/// Writes a `LabelPair` as field 1.
fn label(out: &mut Vec<u8>, name: &str, text: &str) {
    let length = |text: &str| 1 + encoded_len_varint(text.len() as u64) + text.len();
    key(out, 1, 2);
    encode_varint((length(name) + length(text)) as u64, out);
    bytes(out, 1, name.as_bytes());
    bytes(out, 2, text.as_bytes());
}

fn key(out: &mut Vec<u8>, field: u32, wire: u32) {
    encode_varint(u64::from((field << 3) | wire), out);
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    key(out, field, 2);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn whole(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, 0);
    encode_varint(value, out);
}

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    key(out, field, 1);
    // One particular NaN marks a series as ended: a sender's NaN must not.
    let value = if value.is_nan() { f64::NAN } else { value };
    out.extend_from_slice(&value.to_le_bytes());
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests;
