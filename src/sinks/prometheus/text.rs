//! Prints named families as Prometheus text (0.0.4 and 1.0.0) and as `OpenMetrics` text 1.0.0.

use super::families::{Labels, Named, NamedFamily, Series, cumulated};
use super::names::base_name;
use super::numbers::{open_metrics_number, text_number};
use crate::model::scrape::{FamilyKind, SampleValue};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/plain; version=0.0.4`.
    Text004,
    /// `text/plain; version=1.0.0`: the same text, since our names need no quotes.
    Text100,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The response's `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Format::Text004 => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Format::Text100 => "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        }
    }
}

/// Prints everything. Times are printed only where asked for: a sample with a time is never marked stale.
///
/// # Errors
/// Those of `out`.
pub(super) fn print(named: &Named, format: Format, with_times: bool, out: impl Write) -> io::Result<()> {
    let mut printer = Printer { out, open_metrics: format == Format::OpenMetrics, with_times };
    printer.targets(&named.targets)?;
    let mut taken: BTreeSet<&str> =
        named.families.iter().filter(|f| f.kind != FamilyKind::Counter).map(|f| f.name.full.as_str()).collect();
    for family in &named.families {
        // In OpenMetrics a counter drops its `_total`; where that name is taken it stays whole, of unknown type.
        let base = base_name(&family.name.full, family.kind);
        let is_free = family.kind != FamilyKind::Counter || taken.insert(base);
        printer.family(family, if is_free { base } else { &family.name.full }, is_free)?;
    }
    if printer.open_metrics {
        printer.out.write_all(b"# EOF\n")?;
    }
    printer.out.flush()
}

struct Printer<W> {
    out: W,
    open_metrics: bool,
    with_times: bool,
}

impl<W: Write> Printer<W> {
    fn targets(&mut self, targets: &[Labels]) -> io::Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let (name, kind) = if self.open_metrics { ("target", "info") } else { ("target_info", "gauge") };
        self.head(name, kind, "Attributes of the resource that the series of this job and instance come from.", None)?;
        for labels in targets {
            self.line("target_info", &pairs(labels), None, "1", None)?;
        }
        Ok(())
    }

    fn family(&mut self, family: &NamedFamily, open_metrics_name: &str, is_typed: bool) -> io::Result<()> {
        let kind = match family.kind {
            _ if self.open_metrics && !is_typed => "unknown",
            FamilyKind::Gauge | FamilyKind::UpDown => "gauge",
            FamilyKind::Counter => "counter",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Summary => "summary",
        };
        let name = if self.open_metrics { open_metrics_name } else { &family.name.full };
        self.head(name, kind, &family.help, family.name.unit.as_deref().filter(|_| is_typed))?;
        for (labels, series) in &family.series {
            self.series(&family.name.full, &pairs(labels), series)?;
        }
        Ok(())
    }

    fn head(&mut self, name: &str, kind: &str, help: &str, unit: Option<&str>) -> io::Result<()> {
        if !help.is_empty() {
            let mut text = String::with_capacity(help.len());
            escape(&mut text, help, self.open_metrics);
            writeln!(self.out, "# HELP {name} {text}")?;
        }
        writeln!(self.out, "# TYPE {name} {kind}")?;
        if let Some(unit) = unit.filter(|_| self.open_metrics) {
            writeln!(self.out, "# UNIT {name} {unit}")?;
        }
        Ok(())
    }

    /// `pairs` are the labels as they are printed, made once for all lines of the series.
    fn series(&mut self, name: &str, pairs: &str, series: &Series) -> io::Result<()> {
        let time = series.time_ms;
        match &series.value {
            SampleValue::Number(value) => self.line(name, pairs, None, &self.number(*value), time),
            SampleValue::Histogram { bounds, counts, sum, count } => {
                let bucket = format!("{name}_bucket");
                // A sender's count may be less than its buckets hold: the last bucket must not be below the one before.
                let count = counts.iter().fold(0u64, |all, count| all.saturating_add(*count)).max(*count);
                for (bound, below) in cumulated(bounds, counts).filter(|(bound, _)| bound.is_finite()) {
                    self.line(&bucket, pairs, Some(("le", &self.number(bound))), &below.to_string(), time)?;
                }
                self.line(&bucket, pairs, Some(("le", "+Inf")), &count.to_string(), time)?;
                self.sum_and_count(name, pairs, *sum, count, time)
            }
            SampleValue::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    let quantile = self.number(*quantile);
                    self.line(name, pairs, Some(("quantile", &quantile)), &self.number(*value), time)?;
                }
                self.sum_and_count(name, pairs, *sum, *count, time)
            }
        }
    }

    fn sum_and_count(&mut self, name: &str, pairs: &str, sum: f64, count: u64, time: Option<i64>) -> io::Result<()> {
        self.line(&format!("{name}_sum"), pairs, None, &self.number(sum), time)?;
        self.line(&format!("{name}_count"), pairs, None, &count.to_string(), time)
    }

    fn number(&self, value: f64) -> String {
        if self.open_metrics { open_metrics_number(value) } else { text_number(value) }
    }

    fn line(
        &mut self,
        name: &str,
        pairs: &str,
        extra: Option<(&str, &str)>,
        value: &str,
        time: Option<i64>,
    ) -> io::Result<()> {
        self.out.write_all(name.as_bytes())?;
        match extra {
            Some((label, text)) => {
                let comma = if pairs.is_empty() { "" } else { "," };
                write!(self.out, "{{{pairs}{comma}{label}=\"{text}\"}}")?;
            }
            None if pairs.is_empty() => {}
            None => write!(self.out, "{{{pairs}}}")?,
        }
        write!(self.out, " {value}")?;
        match time.filter(|_| self.with_times) {
            // OpenMetrics counts seconds, the older text milliseconds.
            Some(ms) if self.open_metrics => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                writeln!(self.out, " {sign}{}.{:03}", ms / 1000, ms % 1000)
            }
            Some(ms) => writeln!(self.out, " {ms}"),
            None => self.out.write_all(b"\n"),
        }
    }
}

/// Labels as they stand between the braces.
fn pairs(labels: &Labels) -> String {
    let mut out = String::new();
    for (label, text) in labels {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(label);
        out.push_str("=\"");
        escape(&mut out, text, true);
        out.push('"');
    }
    out
}

/// Backslash and line feed; the quote too in labels, and in help where it is `OpenMetrics`.
fn escape(out: &mut String, text: &str, with_quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if with_quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
