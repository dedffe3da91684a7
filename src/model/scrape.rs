//! Data of a Prometheus scrape before naming and formatting: plain samples with OpenTelemetry names.

use super::exponential::Exponential;
use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// Bounds of span metrics in ms: the connector's defaults, same as in `pipelines/queries/span_metrics.sql`.
pub const SPAN_METRICS_BOUNDS_MS: [f64; 16] =
    [2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10000.0, 15000.0];

/// Attributes as text, by OpenTelemetry name.
pub type Attributes = BTreeMap<String, String>;

/// Kind of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FamilyKind {
    /// A current value.
    Gauge,
    /// A non-monotonic sum: exposed as a gauge, but never as a ratio.
    UpDown,
    /// A monotonic sum: the printer adds `_total`.
    Counter,
    /// A histogram with explicit or exponential buckets.
    Histogram,
    /// Quantiles received over OTLP.
    Summary,
}

/// One value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// Gauge or counter.
    Number(f64),
    /// Explicit buckets; `counts` has one more element than `bounds` and is not cumulative.
    Histogram {
        /// Upper bounds, ascending, without +Inf.
        bounds: Arc<[f64]>,
        /// Count in each bucket.
        counts: Vec<u64>,
        /// Sum of all values.
        sum: f64,
        /// Number of values.
        count: u64,
    },
    /// Exponential buckets.
    Exponential(Exponential),
    /// Quantiles `(q, value)`.
    Summary {
        /// Quantile in 0..=1 and its value.
        quantiles: Vec<(f64, f64)>,
        /// Sum of all values.
        sum: f64,
        /// Number of values.
        count: u64,
    },
}

/// A measured value with the trace in which it was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Lower-case hex digits.
    pub trace_id: String,
    /// Lower-case hex digits; empty if unknown.
    pub span_id: String,
    /// Measured value.
    pub value: f64,
    /// Time of the measurement, ns since the epoch; 0 if unknown.
    pub time_unix_nano: i64,
}

/// Instrumentation scope; texts are empty if there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Name of the scope.
    pub name: String,
    /// Version of the scope.
    pub version: String,
    /// Schema URL of the scope.
    pub schema_url: String,
    /// Attributes of the scope.
    pub attributes: Attributes,
}

/// Identity of a series within its family. Immutable, so that scrapes share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    attributes: Attributes,
    resource: Option<Arc<Attributes>>,
    scope: Arc<Scope>,
    digest: u64,
}

impl Identity {
    /// Creates the identity of a series; `resource` is `None` for Spanwise's own metrics.
    #[must_use]
    pub fn new(attributes: Attributes, resource: Option<Arc<Attributes>>, scope: Arc<Scope>) -> Identity {
        let mut hasher = Xxh3Default::new();
        (&attributes, &resource, &scope).hash(&mut hasher);
        let digest = hasher.finish();
        Identity { attributes, resource, scope, digest }
    }

    /// Creates the identity of one of Spanwise's own series.
    #[must_use]
    pub fn own(attributes: Attributes) -> Identity {
        Identity::new(attributes, None, Arc::default())
    }

    /// Returns the attributes of the data point.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Returns the attributes of the resource, shared by all of its series.
    #[must_use]
    pub fn resource(&self) -> Option<&Arc<Attributes>> {
        self.resource.as_ref()
    }

    /// Returns the instrumentation scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns a digest that is the same for equal series, also across scrapes.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Identity of the series.
    pub of: Arc<Identity>,
    /// The value.
    pub value: SampleValue,
    /// Time of the measurement, ms since the epoch; no timestamp is exposed if `None`.
    pub time_ms: Option<i64>,
    /// Start time of the counter, ms since the epoch, if known.
    pub created_ms: Option<i64>,
    /// For a sum accumulated here from deltas: when this sum was first exposed, by our clock, ms since the epoch. Values of the
    /// series exposed before that belong to a different sum.
    pub begun_ms: Option<i64>,
    /// Time of the last update, by our clock, ms since the epoch; `None` for series that never expire.
    pub seen_ms: Option<i64>,
    /// Exemplars of the last data point.
    pub exemplars: Arc<[Exemplar]>,
}

impl Sample {
    /// Creates a sample with only an identity and a value.
    #[must_use]
    pub fn plain(of: impl Into<Arc<Identity>>, value: SampleValue) -> Sample {
        let (time_ms, created_ms, begun_ms, seen_ms) = (None, None, None, None);
        Sample { of: of.into(), value, time_ms, created_ms, begun_ms, seen_ms, exemplars: Arc::default() }
    }
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
    /// True if senders report different descriptions for this metric.
    pub descriptions_differ: bool,
    /// Kind of the metric.
    pub kind: FamilyKind,
    /// Series of the family.
    pub samples: Vec<Sample>,
}

/// All metric families of one scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    /// Families, in any order.
    pub families: Vec<Family>,
}
