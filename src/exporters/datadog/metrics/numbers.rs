//! Gauges and sums.

use super::output::{Context, NO_VALUE, Output, Sample};
use super::settings::MetricsSettings;
use super::wire::Kind;
use crate::delivery::attributes::Attributes;
use crate::exporters::temporality::point_flags;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

/// This attribute of a point turns a delta sum into a rate.
const AS_TYPE: &str = "datadog.metric.as_type";

/// Maximum deviation of an interval from whole seconds.
const TOLERANCE_SECONDS: f64 = 0.05;

/// Maps points of a gauge or sum.
pub(super) fn map(
    settings: &MetricsSettings,
    context: &Context<'_>,
    kind: Kind,
    points: &[NumberDataPoint],
    output: &mut Output,
) {
    for point in points {
        let value = value(point);
        if point.flags & NO_VALUE != 0 {
            output.end_point();
        } else if value.is_finite() {
            number(settings, context, kind, point, value, output);
            output.end_point();
        } else {
            let reason = format!("expected a finite number, found {value}");
            output.end_unfit_point(context, &point.attributes, &reason);
        }
    }
}

fn number(
    settings: &MetricsSettings,
    context: &Context<'_>,
    kind: Kind,
    point: &NumberDataPoint,
    value: f64,
    output: &mut Output,
) {
    let was_delta = !point_flags::has(point.flags, point_flags::CONVERTED);
    let is_timed = settings.infer_interval && kind == Kind::Count && was_delta;
    let interval = if is_timed { interval(point.start_time_unix_nano, point.time_unix_nano) } else { 0 };
    let is_rate = kind == Kind::Count
        && was_delta
        && Attributes::of(&point.attributes).text(AS_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case("rate"));
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let value = if is_rate && interval > 0 { value / interval as f64 } else { value };
    let sample = Sample {
        suffix: "",
        tags: &context.tags(&point.attributes),
        kind: if is_rate { Kind::Rate } else { kind },
        time_unix_nano: point.time_unix_nano,
        interval,
        value,
    };
    output.sample(context, &sample);
}

/// Converts a value to Datadog's type; zero if there is none.
fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(Value::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "Datadog has doubles alone")]
        Some(Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}

/// Returns the seconds between two times; zero if not whole.
pub(super) fn interval(start_unix_nano: u64, time_unix_nano: u64) -> i64 {
    if start_unix_nano == 0 || start_unix_nano > time_unix_nano {
        return 0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let seconds = (time_unix_nano - start_unix_nano) as f64 / 1e9;
    let whole = seconds.round();
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
    let interval = if (whole - seconds).abs() < TOLERANCE_SECONDS { whole as i64 } else { 0 };
    interval
}
