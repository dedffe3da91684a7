//! What a Prometheus scrape shows, before it is named and printed: plain samples with OpenTelemetry names.

use super::exponential::Exponential;
use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// The bounds of span metrics, ms: the connector's defaults, and those of `pipelines/queries/span_metrics.sql`.
pub const SPAN_METRICS_BOUNDS_MS: [f64; 16] =
    [2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10000.0, 15000.0];

/// Attributes by their OpenTelemetry names, as text.
pub type Attributes = BTreeMap<String, String>;

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FamilyKind {
    /// A value of now.
    Gauge,
    /// A sum that goes up and down: printed as a gauge, but it is never a ratio.
    UpDown,
    /// Only goes up: `_total` is added by the printer.
    Counter,
    /// Explicit or exponential buckets.
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
    /// Exponential buckets.
    Exponential(Exponential),
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

/// A measured value, and the trace in which it was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Lower-case hex digits.
    pub trace_id: String,
    /// Lower-case hex digits; empty where it is not known.
    pub span_id: String,
    /// What was measured.
    pub value: f64,
    /// When, ns since the epoch; 0 where it is not known.
    pub time_unix_nano: i64,
}

/// The instrumentation scope; texts are empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The schema that its names follow.
    pub schema_url: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// What tells a series from the others of its family. It never changes, so that scrapes share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    attributes: Attributes,
    resource: Option<Arc<Attributes>>,
    scope: Arc<Scope>,
    digest: u64,
}

impl Identity {
    /// A series of these attributes; `resource` is `None` for Spanwise's own figures.
    #[must_use]
    pub fn new(attributes: Attributes, resource: Option<Arc<Attributes>>, scope: Arc<Scope>) -> Identity {
        let mut hasher = Xxh3Default::new();
        (&attributes, &resource, &scope).hash(&mut hasher);
        let digest = hasher.finish();
        Identity { attributes, resource, scope, digest }
    }

    /// One of Spanwise's own series.
    #[must_use]
    pub fn own(attributes: Attributes) -> Identity {
        Identity::new(attributes, None, Arc::default())
    }

    /// The point's attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The resource's attributes, shared by all of its series.
    #[must_use]
    pub fn resource(&self) -> Option<&Arc<Attributes>> {
        self.resource.as_ref()
    }

    /// The instrumentation scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The same for equal series, also in another scrape.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which series it is.
    pub of: Arc<Identity>,
    /// The value.
    pub value: SampleValue,
    /// When it was measured, ms since the epoch; `None` prints none.
    pub time_ms: Option<i64>,
    /// When counting began, ms since the epoch, where that is known.
    pub created_ms: Option<i64>,
    /// Of deltas that are added up here: from when on, by our clock, this sum is shown, ms since the epoch. What was shown
    /// of the series before that was another sum.
    pub begun_ms: Option<i64>,
    /// When it last came in, by our clock, ms since the epoch; `None` for what never expires.
    pub seen_ms: Option<i64>,
    /// Measured values with their traces, of the last point.
    pub exemplars: Arc<[Exemplar]>,
}

impl Sample {
    /// A sample that knows nothing but its value.
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
    /// Whether senders give other ones for the same metric, too.
    pub descriptions_differ: bool,
    /// Kind.
    pub kind: FamilyKind,
    /// Series.
    pub samples: Vec<Sample>,
}

/// Everything that one scrape shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    /// Families, in any order.
    pub families: Vec<Family>,
}
