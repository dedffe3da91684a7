//! Metrics.

use super::common::{attribute, resource, scope};
use super::object::Object;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, SummaryDataPoint, exemplar, number_data_point,
};

pub(super) fn of_resource(object: &mut Object<'_>, metrics: &ResourceMetrics) {
    if let Some(of) = &metrics.resource {
        object.object("resource", of, resource);
    }
    object.list("scopeMetrics", &metrics.scope_metrics, of_scope);
    object.text("schemaUrl", &metrics.schema_url);
}

fn of_scope(object: &mut Object<'_>, metrics: &ScopeMetrics) {
    if let Some(of) = &metrics.scope {
        object.object("scope", of, scope);
    }
    object.list("metrics", &metrics.metrics, metric);
    object.text("schemaUrl", &metrics.schema_url);
}

fn metric(object: &mut Object<'_>, metric: &Metric) {
    object.text("name", &metric.name);
    object.text("description", &metric.description);
    object.text("unit", &metric.unit);
    match &metric.data {
        Some(Data::Gauge(gauge)) => {
            object.object("gauge", gauge, |object, gauge| object.list("dataPoints", &gauge.data_points, number));
        }
        Some(Data::Sum(sum)) => object.object("sum", sum, |object, sum| {
            object.list("dataPoints", &sum.data_points, number);
            object.i32("aggregationTemporality", sum.aggregation_temporality);
            object.bool("isMonotonic", sum.is_monotonic);
        }),
        Some(Data::Histogram(of)) => object.object("histogram", of, |object, of| {
            object.list("dataPoints", &of.data_points, histogram);
            object.i32("aggregationTemporality", of.aggregation_temporality);
        }),
        Some(Data::ExponentialHistogram(of)) => object.object("exponentialHistogram", of, |object, of| {
            object.list("dataPoints", &of.data_points, exponential);
            object.i32("aggregationTemporality", of.aggregation_temporality);
        }),
        Some(Data::Summary(of)) => {
            object.object("summary", of, |object, of| object.list("dataPoints", &of.data_points, summary));
        }
        None => {}
    }
    object.list("metadata", &metric.metadata, attribute);
}

fn number(object: &mut Object<'_>, point: &NumberDataPoint) {
    object.list("attributes", &point.attributes, attribute);
    object.u64("startTimeUnixNano", point.start_time_unix_nano);
    object.u64("timeUnixNano", point.time_unix_nano);
    match point.value {
        Some(number_data_point::Value::AsDouble(number)) => object.any_f64("asDouble", number),
        Some(number_data_point::Value::AsInt(number)) => object.any_i64("asInt", number),
        None => {}
    }
    object.list("exemplars", &point.exemplars, exemplar);
    object.u32("flags", point.flags);
}

fn histogram(object: &mut Object<'_>, point: &HistogramDataPoint) {
    object.list("attributes", &point.attributes, attribute);
    object.u64("startTimeUnixNano", point.start_time_unix_nano);
    object.u64("timeUnixNano", point.time_unix_nano);
    object.u64("count", point.count);
    optional(object, "sum", point.sum);
    object.u64s("bucketCounts", &point.bucket_counts);
    object.f64s("explicitBounds", &point.explicit_bounds);
    object.list("exemplars", &point.exemplars, exemplar);
    object.u32("flags", point.flags);
    optional(object, "min", point.min);
    optional(object, "max", point.max);
}

fn exponential(object: &mut Object<'_>, point: &ExponentialHistogramDataPoint) {
    object.list("attributes", &point.attributes, attribute);
    object.u64("startTimeUnixNano", point.start_time_unix_nano);
    object.u64("timeUnixNano", point.time_unix_nano);
    object.u64("count", point.count);
    optional(object, "sum", point.sum);
    object.i32("scale", point.scale);
    object.u64("zeroCount", point.zero_count);
    for (key, of) in [("positive", &point.positive), ("negative", &point.negative)] {
        if let Some(of) = of {
            object.object(key, of, buckets);
        }
    }
    object.u32("flags", point.flags);
    object.list("exemplars", &point.exemplars, exemplar);
    optional(object, "min", point.min);
    optional(object, "max", point.max);
    object.f64("zeroThreshold", point.zero_threshold);
}

fn buckets(object: &mut Object<'_>, buckets: &Buckets) {
    object.i32("offset", buckets.offset);
    object.u64s("bucketCounts", &buckets.bucket_counts);
}

fn summary(object: &mut Object<'_>, point: &SummaryDataPoint) {
    object.list("attributes", &point.attributes, attribute);
    object.u64("startTimeUnixNano", point.start_time_unix_nano);
    object.u64("timeUnixNano", point.time_unix_nano);
    object.u64("count", point.count);
    object.f64("sum", point.sum);
    object.list("quantileValues", &point.quantile_values, quantile);
    object.u32("flags", point.flags);
}

fn quantile(object: &mut Object<'_>, of: &ValueAtQuantile) {
    object.f64("quantile", of.quantile);
    object.f64("value", of.value);
}

fn exemplar(object: &mut Object<'_>, of: &Exemplar) {
    object.list("filteredAttributes", &of.filtered_attributes, attribute);
    object.u64("timeUnixNano", of.time_unix_nano);
    match of.value {
        Some(exemplar::Value::AsDouble(number)) => object.any_f64("asDouble", number),
        Some(exemplar::Value::AsInt(number)) => object.any_i64("asInt", number),
        None => {}
    }
    object.id("spanId", &of.span_id);
    object.id("traceId", &of.trace_id);
}

fn optional(object: &mut Object<'_>, key: &str, number: Option<f64>) {
    if let Some(number) = number {
        object.any_f64(key, number);
    }
}
