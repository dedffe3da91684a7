//! `exporters.datadog.metrics`, as far as the mapping goes.

/// What becomes of histograms with explicit bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HistogramMode {
    /// Distributions.
    #[default]
    Distributions,
    /// A count a bucket, tagged with its bounds.
    Counters,
    /// Nothing of the buckets.
    NoBuckets,
}

/// How metrics are mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct MetricsSettings {
    /// Host of what does not say where it ran; none where empty.
    pub hostname: String,
    /// What becomes of histograms.
    pub histogram_mode: HistogramMode,
    /// Count, sum, least and greatest of histograms go out as series of their own.
    pub aggregations: bool,
    /// Quantiles of summaries go out as gauges.
    pub quantiles: bool,
    /// Monotonic sums were made delta before (`sums.cumulative_monotonic_mode: to_delta`); else they are gauges of their
    /// raw value.
    pub sums_to_delta: bool,
    /// Every attribute of the resource becomes a tag.
    pub resource_attributes_as_tags: bool,
    /// Name, version and attributes of the scope become tags.
    pub scope_as_tags: bool,
    /// Delta sums tell the seconds between their start and their time, where these are whole.
    pub infer_interval: bool,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        MetricsSettings {
            hostname: String::new(),
            histogram_mode: HistogramMode::Distributions,
            aggregations: false,
            quantiles: true,
            sums_to_delta: true,
            resource_attributes_as_tags: false,
            scope_as_tags: true,
            infer_interval: false,
        }
    }
}
