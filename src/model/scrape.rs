//! What a Prometheus scrape shows, before it is named and printed: plain samples with OpenTelemetry names.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// A value of now.
    Gauge,
    /// A sum that goes up and down: printed as a gauge, but it is never a ratio.
    UpDown,
    /// Only goes up: `_total` is added by the printer.
    Counter,
    /// Explicit buckets.
    Histogram,
    /// Quantiles that came in over OTLP.
    Summary,
}

/// One value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// Gauge or counter.
    Number(f64),
    /// Explicit buckets; `counts` has one more than `bounds`, not cumulated.
    Histogram {
        /// Upper bounds, ascending, without +Inf.
        bounds: Arc<[f64]>,
        /// Count in each bucket.
        counts: Vec<u64>,
        /// Sum of all values.
        sum: f64,
        /// Count of all values.
        count: u64,
    },
    /// Quantiles `(q, value)`.
    Summary {
        /// Quantile in 0..=1 and its value.
        quantiles: Vec<(f64, f64)>,
        /// Sum of all values.
        sum: f64,
        /// Count of all values.
        count: u64,
    },
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Attributes by their OpenTelemetry names; not yet escaped.
    pub attributes: BTreeMap<String, String>,
    /// Digest of the resource it belongs to: index into [`Scrape::resources`]; `None` for Spanwise's own figures.
    pub resource: Option<usize>,
    /// Name of the instrumentation scope; empty where none.
    pub scope_name: String,
    /// Version of the instrumentation scope; empty where none.
    pub scope_version: String,
    /// The value.
    pub value: SampleValue,
    /// When it was measured, ms since the epoch; `None` prints none.
    pub time_ms: Option<i64>,
}

/// All series of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// OpenTelemetry name: `traces.span.metrics.calls`.
    pub name: String,
    /// UCUM unit: `ms`, `By`, `1`, or empty.
    pub unit: String,
    /// Help text.
    pub description: String,
    /// Kind.
    pub kind: FamilyKind,
    /// Series.
    pub samples: Vec<Sample>,
}

/// Everything that one scrape shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    /// Attributes of the resources that samples refer to.
    pub resources: Vec<BTreeMap<String, String>>,
    /// Families, in any order.
    pub families: Vec<Family>,
}
