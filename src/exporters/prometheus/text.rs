//! Prints families as Prometheus text (0.0.4 and 1.0.0) and as `OpenMetrics` text 1.0.0.

use super::body::Body;
use super::escape::{is_plain_label, is_plain_metric};
use super::exemplars::{self, newest};
use super::families::Placed;
use super::merge::cumulated;
use super::names::base_name;
use super::naming::Labels;
use super::native;
use super::numbers::{push_count, push_float, push_number, push_seconds};
use super::point::Point;
use crate::model::scrape::{Exemplar, FamilyKind, SampleValue};
use std::collections::BTreeSet;
use std::io;

/// Help text of `target_info`.
pub(super) const TARGET_HELP: &str = "Attributes of the resource that the series of this job and instance come from.";

/// Prints one scrape.
pub(super) struct Printer<'a> {
    body: &'a mut Body,
    open_metrics: bool,
    /// Timestamps are printed only if configured: a sample with a timestamp is never marked stale.
    with_times: bool,
    /// Names of metrics that are not counters: a counter drops `_total` only if the shorter name is free.
    taken: BTreeSet<String>,
    les: Les,
}

/// The `le` labels of the bounds printed last: the series of a family mostly share them.
#[derive(Default)]
struct Les {
    bounds: Vec<f64>,
    texts: Vec<Vec<u8>>,
}

/// A name as lines begin with it: `open` if labels follow, `bare` otherwise.
struct LineName {
    open: Vec<u8>,
    bare: Vec<u8>,
}

impl LineName {
    fn new(name: &str) -> LineName {
        if is_plain_metric(name) {
            return LineName { open: format!("{name}{{").into_bytes(), bare: name.as_bytes().to_vec() };
        }
        let quoted = quoted(name);
        LineName { open: format!("{{{quoted},").into_bytes(), bare: format!("{{{quoted}}}").into_bytes() }
    }
}

impl<'a> Printer<'a> {
    /// `names` contains the names of all families.
    pub(super) fn new<'n>(
        body: &'a mut Body,
        open_metrics: bool,
        with_times: bool,
        names: impl Iterator<Item = (&'n str, FamilyKind)>,
    ) -> Printer<'a> {
        let others = names.filter(|(_, kind)| *kind != FamilyKind::Counter);
        let taken = others.map(|(name, _)| name.to_owned()).collect();
        Printer { body, open_metrics, with_times, taken, les: Les::default() }
    }

    /// Prints the resources.
    ///
    /// # Errors
    /// Those of the body.
    pub(super) fn targets(&mut self, target_info: &str, targets: &[Labels]) -> io::Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let base = target_info.strip_suffix("_info").filter(|base| !self.taken.contains(*base));
        let (name, kind) = match base {
            Some(base) if self.open_metrics => (base, "info"),
            _ => (target_info, "gauge"),
        };
        self.head(name, kind, TARGET_HELP, None);
        let line = LineName::new(target_info);
        for labels in targets {
            self.begin(&line, &render(labels), b"");
            self.body.out.push(b'1');
            self.end(None, None);
            self.body.step()?;
        }
        Ok(())
    }

    /// Prints a family.
    ///
    /// # Errors
    /// Those of the body.
    pub(super) fn family(&mut self, family: &Placed<'_>, points: &[Point<'_>]) -> io::Result<()> {
        let full = family.name.full.as_str();
        // In OpenMetrics a counter drops its `_total`; if it has none, or the shorter name is taken, its type is unknown.
        let base = base_name(full, family.kind);
        let is_counter = family.kind == FamilyKind::Counter;
        let is_typed = !self.open_metrics || !is_counter || base != full && self.taken.insert(base.to_owned());
        let kind = match family.kind {
            _ if !is_typed => "unknown",
            FamilyKind::Gauge | FamilyKind::UpDown => "gauge",
            FamilyKind::Counter => "counter",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Summary => "summary",
        };
        let name = if self.open_metrics && is_typed { base } else { full };
        self.head(name, kind, family.help, family.name.unit.as_deref().filter(|_| is_typed));
        let created = format!("{base}_created");
        let counts = !matches!(family.kind, FamilyKind::Gauge | FamilyKind::UpDown);
        let has_created = self.open_metrics && is_typed && counts && !self.taken.contains(&created);
        let created = has_created.then(|| LineName::new(&created));
        let has_parts = matches!(family.kind, FamilyKind::Histogram | FamilyKind::Summary);
        let part = |suffix: &str| LineName::new(&if has_parts { format!("{full}{suffix}") } else { String::new() });
        let lines = Lines {
            number: LineName::new(full),
            bucket: part("_bucket"),
            sum: part("_sum"),
            count: part("_count"),
            created,
            has_exemplars: is_counter && is_typed,
        };
        for point in points {
            self.point(&lines, point);
            self.body.step()?;
        }
        Ok(())
    }

    /// Prints the end marker.
    pub(super) fn finish(self) {
        if self.open_metrics {
            self.body.out.extend_from_slice(b"# EOF\n");
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str, unit: Option<&str>) {
        let shown = if is_plain_metric(name) { name.to_owned() } else { quoted(name) };
        let open_metrics = self.open_metrics;
        let out = &mut self.body.out;
        let mut put = |parts: [&[u8]; 5]| parts.iter().for_each(|part| out.extend_from_slice(part));
        if !help.is_empty() {
            let mut text = Vec::with_capacity(help.len());
            escape(&mut text, help, open_metrics);
            put([b"# HELP ", shown.as_bytes(), b" ", &text, b"\n"]);
        }
        put([b"# TYPE ", shown.as_bytes(), b" ", kind.as_bytes(), b"\n"]);
        if let Some(unit) = unit.filter(|_| open_metrics) {
            let mut text = Vec::with_capacity(unit.len());
            escape(&mut text, unit, true);
            put([b"# UNIT ", shown.as_bytes(), b" ", &text, b"\n"]);
        }
    }

    fn point(&mut self, lines: &Lines, point: &Point<'_>) {
        let time = point.time_ms;
        match point.value.as_ref() {
            SampleValue::Number(value) => {
                self.begin(&lines.number, point.labels, b"");
                self.number(*value);
                self.end(time, newest(&point.exemplars).filter(|_| lines.has_exemplars));
                self.created(lines, point);
            }
            SampleValue::Histogram { bounds, counts, sum, count } => {
                self.histogram(lines, point, (bounds, counts, *sum, *count));
            }
            SampleValue::Exponential(exponential) => {
                if let SampleValue::Histogram { bounds, counts, sum, count } = native::classic(exponential) {
                    self.histogram(lines, point, (&bounds, &counts, sum, count));
                }
            }
            SampleValue::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    let mut label = b"quantile=\"".to_vec();
                    push(&mut label, *quantile, self.open_metrics);
                    label.push(b'"');
                    self.begin(&lines.number, point.labels, &label);
                    self.number(*value);
                    self.end(time, None);
                }
                self.sum_and_count(lines, point, *sum, *count);
            }
        }
    }

    fn histogram(&mut self, lines: &Lines, point: &Point<'_>, of: (&[f64], &[u64], f64, u64)) {
        let (bounds, counts, sum, count) = of;
        // A sender's count may be less than the sum of its buckets: the last bucket must not be below the one before.
        let count = counts.iter().fold(0u64, |all, count| all.saturating_add(*count)).max(count);
        let open_metrics = self.open_metrics;
        let exemplars = if open_metrics { exemplars::by_bucket(&point.exemplars, bounds) } else { Vec::new() };
        let of_bucket = |at: usize| exemplars.get(at).copied().flatten();
        let les = std::mem::take(&mut self.les).of(bounds, open_metrics);
        for (at, (bound, below)) in cumulated(bounds, counts).enumerate() {
            if bound.is_finite() {
                self.begin(&lines.bucket, point.labels, &les.texts[at]);
                push_count(&mut self.body.out, below);
                self.end(point.time_ms, of_bucket(at));
            }
        }
        self.les = les;
        self.begin(&lines.bucket, point.labels, b"le=\"+Inf\"");
        push_count(&mut self.body.out, count);
        self.end(point.time_ms, of_bucket(bounds.len()));
        self.sum_and_count(lines, point, sum, count);
    }

    fn sum_and_count(&mut self, lines: &Lines, point: &Point<'_>, sum: f64, count: u64) {
        self.begin(&lines.sum, point.labels, b"");
        self.number(sum);
        self.end(point.time_ms, None);
        self.begin(&lines.count, point.labels, b"");
        push_count(&mut self.body.out, count);
        self.end(point.time_ms, None);
        self.created(lines, point);
    }

    fn created(&mut self, lines: &Lines, point: &Point<'_>) {
        let (Some(line), Some(ms)) = (&lines.created, point.created_ms) else { return };
        self.begin(line, point.labels, b"");
        push_seconds(&mut self.body.out, ms);
        self.end(point.time_ms, None);
    }

    /// Writes a line up to its value; `extra` is the last label.
    fn begin(&mut self, name: &LineName, labels: &[u8], extra: &[u8]) {
        let out = &mut self.body.out;
        if labels.is_empty() && extra.is_empty() {
            out.extend_from_slice(&name.bare);
            out.push(b' ');
            return;
        }
        out.extend_from_slice(&name.open);
        out.extend_from_slice(labels);
        if !labels.is_empty() && !extra.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(extra);
        out.extend_from_slice(b"} ");
    }

    fn number(&mut self, value: f64) {
        push(&mut self.body.out, value, self.open_metrics);
    }

    /// Writes what follows a value.
    fn end(&mut self, time_ms: Option<i64>, exemplar: Option<&Exemplar>) {
        let out = &mut self.body.out;
        if let Some(ms) = time_ms.filter(|_| self.with_times) {
            out.push(b' ');
            // OpenMetrics uses seconds, the older text format milliseconds.
            if self.open_metrics {
                push_seconds(out, ms);
            } else {
                if ms < 0 {
                    out.push(b'-');
                }
                push_count(out, ms.unsigned_abs());
            }
        }
        if let Some(exemplar) = exemplar.filter(|_| self.open_metrics) {
            push_exemplar(out, exemplar);
        }
        out.push(b'\n');
    }
}

/// The names that start the lines of a family.
struct Lines {
    number: LineName,
    bucket: LineName,
    sum: LineName,
    count: LineName,
    /// Name of the created line, if printed.
    created: Option<LineName>,
    has_exemplars: bool,
}

impl Les {
    fn of(mut self, bounds: &[f64], open_metrics: bool) -> Les {
        if self.bounds != bounds {
            self.bounds = bounds.to_vec();
            let text = |bound: &f64| {
                let mut text = b"le=\"".to_vec();
                push(&mut text, *bound, open_metrics);
                text.push(b'"');
                text
            };
            self.texts = bounds.iter().map(text).collect();
        }
        self
    }
}

fn push(out: &mut Vec<u8>, value: f64, open_metrics: bool) {
    if open_metrics { push_float(out, value) } else { push_number(out, value) }
}

fn push_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    out.extend_from_slice(b" # {");
    for (index, (label, text)) in exemplars::labels(exemplar).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"} ");
    push_float(out, exemplar.value);
    if exemplar.time_unix_nano > 0 {
        out.push(b' ');
        push_seconds(out, exemplar.time_unix_nano / 1_000_000);
    }
}

/// Formats labels as they appear between the braces.
pub(super) fn render(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::with_capacity(labels.iter().map(|(name, text)| name.len() + text.len() + 4).sum());
    for (name, text) in labels {
        if !out.is_empty() {
            out.push(b',');
        }
        if is_plain_label(name) {
            out.extend_from_slice(name.as_bytes());
        } else {
            out.extend_from_slice(quoted(name).as_bytes());
        }
        out.extend_from_slice(b"=\"");
        escape(&mut out, text, true);
        out.push(b'"');
    }
    out
}

fn quoted(name: &str) -> String {
    let mut out = b"\"".to_vec();
    escape(&mut out, name, true);
    out.push(b'"');
    String::from_utf8(out).unwrap_or_default()
}

/// Escapes backslash and line feed, and quotes in labels and in `OpenMetrics` help.
fn escape(out: &mut Vec<u8>, text: &str, with_quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if with_quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests;
