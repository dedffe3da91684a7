//! Prints one scrape, from plain samples to the response body.

use super::accept::{Format, Wish};
use super::body::Body;
use super::families::{Remark, name_scrape};
use super::layout::Layout;
use super::naming::Naming;
use super::{proto, text};
use crate::model::scrape::{Identity, SampleValue, Scrape};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

/// Output options that do not depend on the client.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    pub(super) with_times: bool,
    /// Whether `OpenMetrics` includes created timestamps.
    pub(super) with_created: bool,
    /// Whether exponential histograms have classic buckets too in the protobuf format.
    pub(super) with_classic: bool,
}

/// Prints a scrape. Samples last received before `live_from_ms` have expired. Returns the body and the remarks to log.
///
/// # Errors
/// Those of compression.
pub(super) fn print(
    scrape: &Scrape,
    naming: &Naming,
    wish: Wish,
    style: &Style,
    (layout, mut body, live_from_ms): (&mut Layout, Body, i64),
) -> io::Result<(Vec<u8>, Vec<Remark>)> {
    let mut named = name_scrape(scrape, naming, live_from_ms);
    let (is_protobuf, is_open) = (wish.format == Format::Protobuf, wish.format == Format::OpenMetrics);
    layout.begin(style.with_times);
    let render = |of: &Identity| {
        let labels = naming.labels(of);
        if is_protobuf { proto::render(&labels) } else { text::render(&labels) }
    };
    let mut printer = if is_protobuf {
        Printer::Proto(proto::Printer::new(&mut body, style.with_times, style.with_classic))
    } else {
        let names = named.families.iter().map(|family| (family.name.full.as_str(), family.kind));
        Printer::Text(text::Printer::new(&mut body, is_open, style.with_times, names))
    };
    printer.targets(&named.target_info, &named.targets)?;
    let mut remarks = std::mem::take(&mut named.remarks);
    for family in &named.families {
        let mut points = layout.points(family, &render);
        for point in &mut points {
            if !style.with_created && is_open {
                point.created_ms = None;
            }
            if let Some(once) = distinct(&point.value) {
                point.value = Cow::Owned(once);
                remarks.push(Remark::Repeated(family.name.full.clone()));
            }
        }
        match &mut printer {
            Printer::Proto(printer) => printer.family(family, &points)?,
            Printer::Text(printer) => printer.family(family, &points)?,
        }
    }
    if let Printer::Text(printer) = printer {
        printer.finish();
    }
    layout.end();
    Ok((body.finish()?, remarks))
}

enum Printer<'a> {
    Text(text::Printer<'a>),
    Proto(proto::Printer<'a>),
}

impl Printer<'_> {
    fn targets(&mut self, name: &str, targets: &[super::naming::Labels]) -> io::Result<()> {
        match self {
            Printer::Text(printer) => printer.targets(name, targets),
            Printer::Proto(printer) => printer.targets(name, targets),
        }
    }
}

/// Removes duplicate quantiles from a summary; `None` if it has none: Prometheus rejects a scrape with duplicates.
fn distinct(value: &SampleValue) -> Option<SampleValue> {
    let SampleValue::Summary { quantiles, sum, count } = value else { return None };
    let mut seen = BTreeSet::new();
    // 0.0 and -0.0 have the same text.
    let once = quantiles.iter().filter(|(quantile, _)| seen.insert((quantile + 0.0).to_bits())).copied();
    let once: Vec<(f64, f64)> = once.collect();
    (once.len() < quantiles.len()).then_some(SampleValue::Summary { quantiles: once, sum: *sum, count: *count })
}

#[cfg(test)]
pub(super) mod tests;
