//! Faults injected into the mapping, to prove that the comparison detects them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use spanwise::exporters::datadog::metrics::MetricsSettings;
use spanwise::exporters::temporality::Rules;

/// An injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The first value of a counter never counts.
    NeverFirst,
    /// Counters that should become rates stay counts.
    NoRates,
    /// Marks that OTLP cannot express are lost in the conversion from cumulative to delta.
    Unmarked,
    /// The last point of a series is forgotten between requests.
    Forgets,
    /// The scale of exponential histograms is read one too high.
    Scale,
    /// Scopes add no tags.
    NoScopes,
}

impl Fault {
    pub(crate) const ALL: [Fault; 6] =
        [Fault::NeverFirst, Fault::NoRates, Fault::Unmarked, Fault::Forgets, Fault::Scale, Fault::NoScopes];

    /// Applies the fault to the rules and settings of the mapping.
    pub(crate) fn apply(self, rules: &mut Rules, settings: &mut MetricsSettings) {
        match self {
            Fault::NeverFirst => rules.since_unix_nano = u64::MAX,
            Fault::NoRates => rules.rates = &[],
            Fault::Unmarked => rules.marks = false,
            Fault::NoScopes => settings.scope_as_tags = false,
            Fault::Forgets | Fault::Scale => {}
        }
    }

    /// Applies the fault to a request.
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
