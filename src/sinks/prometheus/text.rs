//! Prints named families as Prometheus text (0.0.4 and 1.0.0) and as OpenMetrics text 1.0.0.

use super::families::{Labels, Named, NamedFamily, Series, cumulated};
use super::names::base_name;
use super::numbers::{open_metrics_number, text_number};
use crate::model::scrape::{FamilyKind, SampleValue};
use std::collections::BTreeSet;
use std::fmt::Write as _;

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
pub(super) fn print(named: &Named, format: Format, with_times: bool) -> String {
    let mut printer = Printer { out: String::new(), open_metrics: format == Format::OpenMetrics, with_times };
    printer.targets(&named.targets);
    let mut taken: BTreeSet<&str> =
        named.families.iter().filter(|f| f.kind != FamilyKind::Counter).map(|f| f.name.full.as_str()).collect();
    for family in &named.families {
        // In OpenMetrics a counter drops its `_total`; where that name is taken it stays whole, of unknown type.
        let base = base_name(&family.name.full, family.kind);
        let is_free = family.kind != FamilyKind::Counter || taken.insert(base);
        printer.family(family, if is_free { base } else { &family.name.full }, is_free);
    }
    if printer.open_metrics {
        printer.out.push_str("# EOF\n");
    }
    printer.out
}

struct Printer {
    out: String,
    open_metrics: bool,
    with_times: bool,
}

impl Printer {
    fn targets(&mut self, targets: &[Labels]) {
        if targets.is_empty() {
            return;
        }
        let (name, kind) = if self.open_metrics { ("target", "info") } else { ("target_info", "gauge") };
        self.head(name, kind, "Attributes of the resource that the series of this job and instance come from.", None);
        for labels in targets {
            self.line("target_info", labels, None, "1", None);
        }
    }

    fn family(&mut self, family: &NamedFamily, open_metrics_name: &str, is_typed: bool) {
        let kind = match family.kind {
            _ if self.open_metrics && !is_typed => "unknown",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Counter => "counter",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Summary => "summary",
        };
        let name = if self.open_metrics { open_metrics_name } else { &family.name.full };
        self.head(name, kind, &family.help, family.name.unit.as_deref().filter(|_| is_typed));
        for (labels, series) in &family.series {
            self.series(&family.name.full, labels, series);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str, unit: Option<&str>) {
        if !help.is_empty() {
            let help = if self.open_metrics { escaped(help) } else { escaped_help(help) };
            let _ = writeln!(self.out, "# HELP {name} {help}");
        }
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        if let Some(unit) = unit.filter(|_| self.open_metrics) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
    }

    fn series(&mut self, name: &str, labels: &Labels, series: &Series) {
        let time = series.time_ms;
        match &series.value {
            SampleValue::Number(value) => self.line(name, labels, None, &self.number(*value), time),
            SampleValue::Histogram { bounds, counts, sum, count } => {
                let bucket = format!("{name}_bucket");
                for (bound, below) in cumulated(bounds, counts).filter(|(bound, _)| bound.is_finite()) {
                    self.line(&bucket, labels, Some(("le", &self.number(bound))), &below.to_string(), time);
                }
                self.line(&bucket, labels, Some(("le", "+Inf")), &count.to_string(), time);
                self.sum_and_count(name, labels, *sum, *count, time);
            }
            SampleValue::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    let quantile = self.number(*quantile);
                    self.line(name, labels, Some(("quantile", &quantile)), &self.number(*value), time);
                }
                self.sum_and_count(name, labels, *sum, *count, time);
            }
        }
    }

    fn sum_and_count(&mut self, name: &str, labels: &Labels, sum: f64, count: u64, time: Option<i64>) {
        self.line(&format!("{name}_sum"), labels, None, &self.number(sum), time);
        self.line(&format!("{name}_count"), labels, None, &count.to_string(), time);
    }

    fn number(&self, value: f64) -> String {
        if self.open_metrics { open_metrics_number(value) } else { text_number(value) }
    }

    fn line(&mut self, name: &str, labels: &Labels, extra: Option<(&str, &str)>, value: &str, time: Option<i64>) {
        self.out.push_str(name);
        let pairs = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain(extra);
        let mut open = '{';
        for (label, text) in pairs {
            let _ = write!(self.out, "{open}{label}=\"{}\"", escaped(text));
            open = ',';
        }
        if open == ',' {
            self.out.push('}');
        }
        let _ = write!(self.out, " {value}");
        match time.filter(|_| self.with_times) {
            // OpenMetrics counts seconds, the older text milliseconds.
            Some(ms) if self.open_metrics => {
                let _ = write!(self.out, " {}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000));
            }
            Some(ms) => {
                let _ = write!(self.out, " {ms}");
            }
            None => {}
        }
        self.out.push('\n');
    }
}

/// Label values, and help in OpenMetrics: backslash, line feed and quote.
fn escaped(text: &str) -> String {
    escaped_help(text).replace('"', "\\\"")
}

/// Help in the older text: backslash and line feed.
fn escaped_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
