//! Faults that a mapping could have, to see that the comparison is able to find them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use spanwise::exporters::datadog::metrics::MetricsSettings;
use spanwise::exporters::temporality::Rules;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A counter's first value never counts.
    NeverFirst,
    /// Counters that are to be rates stay counts.
    NoRates,
    /// What OTLP has no word for is lost on the way from running totals to deltas.
    Unmarked,
    /// What a series was last seen with is not kept from request to request.
    Forgets,
    /// The scale of exponential histograms is read one too high.
    Scale,
    /// Scopes give no tags.
    NoScopes,
}

impl Fault {
    pub(crate) const ALL: [Fault; 6] =
        [Fault::NeverFirst, Fault::NoRates, Fault::Unmarked, Fault::Forgets, Fault::Scale, Fault::NoScopes];

    /// In what the mapping goes by.
    pub(crate) fn apply(self, rules: &mut Rules, settings: &mut MetricsSettings) {
        match self {
            Fault::NeverFirst => rules.since_unix_nano = u64::MAX,
            Fault::NoRates => rules.rates = &[],
            Fault::Unmarked => rules.marks = false,
            Fault::NoScopes => settings.scope_as_tags = false,
            Fault::Forgets | Fault::Scale => {}
        }
    }

    /// In how it reads a request.
    pub(crate) fn misread(self, request: &mut ExportMetricsServiceRequest) {
        if self != Fault::Scale {
            return;
        }
        let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
        for metric in scopes.flat_map(|scope| &mut scope.metrics) {
            if let Some(Data::ExponentialHistogram(histogram)) = &mut metric.data {
                histogram.data_points.iter_mut().for_each(|point| point.scale += 1);
            }
        }
    }
}
