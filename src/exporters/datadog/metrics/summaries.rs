//! Maps summaries: count and sum since the last point, and the quantiles unchanged.

use super::output::{Context, NO_VALUE, Output, Sample};
use super::settings::MetricsSettings;
use super::tags;
use super::wire::Kind;
use crate::exporters::temporality::point_flags;
use opentelemetry_proto::tonic::metrics::v1::SummaryDataPoint;

/// Maps points of a summary.
pub(super) fn map(settings: &MetricsSettings, context: &Context<'_>, points: &[SummaryDataPoint], output: &mut Output) {
    for point in points {
        if point.flags & NO_VALUE == 0 {
            summary(settings, context, point, output);
        }
        output.end_point();
    }
}

fn summary(settings: &MetricsSettings, context: &Context<'_>, point: &SummaryDataPoint, output: &mut Output) {
    let tags = context.tags(&point.attributes);
    let sample = |suffix, kind, value| Sample {
        suffix,
        tags: &tags,
        kind,
        time_unix_nano: point.time_unix_nano,
        interval: 0,
        value,
    };
    // A summary is cumulative: only the previous stage knows the increase.
    let is_known = point_flags::has(point.flags, point_flags::CONVERTED);
    if is_known && !point_flags::has(point.flags, point_flags::INEXACT) {
        #[expect(clippy::cast_precision_loss, reason = "Datadog has doubles alone")]
        let count = point.count as f64;
        output.sample(context, &sample(".count", Kind::Count, count));
    }
    if is_known && point.sum.is_finite() {
        output.sample(context, &sample(".sum", Kind::Count, point.sum));
    }
    let quantiles = point.quantile_values.iter().filter(|quantile| settings.quantiles && quantile.value.is_finite());
    for quantile in quantiles {
        let mut tags = tags.clone();
        tags.insert(0, format!("quantile:{}", tags::number(quantile.quantile)));
        output.sample(context, &Sample { tags: &tags, ..sample(".quantile", Kind::Gauge, quantile.value) });
    }
}
