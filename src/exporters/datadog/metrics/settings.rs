//! `exporters.datadog.metrics`, limited to the mapping.

/// Mapping of histograms with explicit bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HistogramMode {
    /// Distributions.
    #[default]
    Distributions,
    /// One count per bucket, tagged with its bounds.
    Counters,
    /// No bucket data.
    NoBuckets,
}

/// How metrics are mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct MetricsSettings {
    /// Host of metrics without one; may be empty.
    pub hostname: String,
    /// Mapping of histograms.
    pub histogram_mode: HistogramMode,
    /// Send count, sum, minimum and maximum of histograms as separate series.
    pub aggregations: bool,
    /// Send quantiles of summaries as gauges.
    pub quantiles: bool,
    /// Monotonic sums were made delta before (`sums.cumulative_monotonic_mode: to_delta`); else they are gauges of their raw
    /// value.
    pub sums_to_delta: bool,
    /// Turn every resource attribute into a tag.
    pub resource_attributes_as_tags: bool,
    /// Turn name, version and attributes of the scope into tags.
    pub scope_as_tags: bool,
    /// Send the interval of delta sums: the seconds between start and time, if whole.
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
