//! Metrics and their data points.

use super::common::{SPAN_ID, TRACE_ID, key_value, resource, scope};
use super::read::{Fields, Mark, Reader};
use super::scan::Read;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exemplar, exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    summary_data_point::ValueAtQuantile,
};

pub(super) fn request(reader: &mut Reader<'_>, request: &mut ExportMetricsServiceRequest, key: &str) -> Read<()> {
    match key {
        "resourceMetrics" => reader.containers(&mut request.resource_metrics, resource_metrics),
        _ => reader.pass(),
    }
}

fn resource_metrics(reader: &mut Reader<'_>, metrics: &mut ResourceMetrics, key: &str) -> Read<()> {
    match key {
        "resource" => reader.optional(&mut metrics.resource, resource),
        "scopeMetrics" => reader.containers(&mut metrics.scope_metrics, scope_metrics),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut metrics.schema_url)),
        _ => reader.pass(),
    }
}

fn scope_metrics(reader: &mut Reader<'_>, metrics: &mut ScopeMetrics, key: &str) -> Read<()> {
    match key {
        "scope" => reader.optional(&mut metrics.scope, scope),
        // A metric without data counts as one item.
        "metrics" => reader.groups(&mut metrics.metrics, metric, |metric: &Metric| metric.data.is_none()),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut metrics.schema_url)),
        _ => reader.pass(),
    }
}

/// Reads a metric. A fault in its identity rejects all its points.
fn metric(reader: &mut Reader<'_>, metric: &mut Metric, began: Mark, key: &str) -> Read<()> {
    match key {
        "name" => reader.set_text(&mut metric.name),
        "description" => reader.kept(|reader| reader.set_text(&mut metric.description)),
        "unit" => reader.set_text(&mut metric.unit),
        "metadata" => reader.parts(&mut metric.metadata, key_value),
        "gauge" => data(reader, metric, began, gauge, Data::Gauge),
        "sum" => data(reader, metric, began, sum, Data::Sum),
        "histogram" => data(reader, metric, began, histogram, Data::Histogram),
        "exponentialHistogram" => data(reader, metric, began, exponential_histogram, Data::ExponentialHistogram),
        "summary" => data(reader, metric, began, summary, Data::Summary),
        _ => reader.pass(),
    }
}

/// Reads one kind of data, which replaces any other kind before it.
fn data<'a, T: Default>(
    reader: &mut Reader<'a>,
    metric: &mut Metric,
    began: Mark,
    fields: Fields<'a, T>,
    of: fn(T) -> Data,
) -> Read<()> {
    if reader.is_object() && metric.data.take().is_some() {
        reader.rewind(began);
    }
    let mut read = None;
    reader.optional(&mut read, fields)?;
    if let Some(read) = read {
        metric.data = Some(of(read));
    }
    Ok(())
}

fn temporality(reader: &mut Reader<'_>, into: &mut i32) -> Read<()> {
    reader.set_word(into, |name| AggregationTemporality::from_str_name(name).map(|word| word as i32))
}

fn gauge(reader: &mut Reader<'_>, gauge: &mut Gauge, key: &str) -> Read<()> {
    match key {
        "dataPoints" => reader.items(&mut gauge.data_points, number),
        _ => reader.pass(),
    }
}

fn sum(reader: &mut Reader<'_>, sum: &mut Sum, key: &str) -> Read<()> {
    match key {
        "dataPoints" => reader.items(&mut sum.data_points, number),
        "aggregationTemporality" => temporality(reader, &mut sum.aggregation_temporality),
        "isMonotonic" => reader.set_bool(&mut sum.is_monotonic),
        _ => reader.pass(),
    }
}

fn histogram(reader: &mut Reader<'_>, histogram: &mut Histogram, key: &str) -> Read<()> {
    match key {
        "dataPoints" => reader.items(&mut histogram.data_points, histogram_point),
        "aggregationTemporality" => temporality(reader, &mut histogram.aggregation_temporality),
        _ => reader.pass(),
    }
}

fn exponential_histogram(reader: &mut Reader<'_>, histogram: &mut ExponentialHistogram, key: &str) -> Read<()> {
    match key {
        "dataPoints" => reader.items(&mut histogram.data_points, exponential_point),
        "aggregationTemporality" => temporality(reader, &mut histogram.aggregation_temporality),
        _ => reader.pass(),
    }
}

fn summary(reader: &mut Reader<'_>, summary: &mut Summary, key: &str) -> Read<()> {
    match key {
        "dataPoints" => reader.items(&mut summary.data_points, summary_point),
        _ => reader.pass(),
    }
}

// A point with attributes missing would be of another series, so any fault rejects it.

fn number(reader: &mut Reader<'_>, point: &mut NumberDataPoint, key: &str) -> Read<()> {
    let value = match key {
        "asInt" => reader.i64()?.map(number_data_point::Value::AsInt),
        "asDouble" => reader.f64()?.map(number_data_point::Value::AsDouble),
        "attributes" => return reader.list(&mut point.attributes, key_value),
        "startTimeUnixNano" => return reader.set_u64(&mut point.start_time_unix_nano),
        "timeUnixNano" => return reader.set_u64(&mut point.time_unix_nano),
        "exemplars" => return reader.parts(&mut point.exemplars, exemplar),
        "flags" => return reader.set_u32(&mut point.flags),
        _ => return reader.pass(),
    };
    point.value = value.or(point.value);
    Ok(())
}

fn histogram_point(reader: &mut Reader<'_>, point: &mut HistogramDataPoint, key: &str) -> Read<()> {
    match key {
        "attributes" => reader.list(&mut point.attributes, key_value),
        "startTimeUnixNano" => reader.set_u64(&mut point.start_time_unix_nano),
        "timeUnixNano" => reader.set_u64(&mut point.time_unix_nano),
        "count" => reader.set_u64(&mut point.count),
        "sum" => reader.set_some_f64(&mut point.sum),
        "bucketCounts" => reader.add_u64s(&mut point.bucket_counts),
        "explicitBounds" => reader.add_f64s(&mut point.explicit_bounds),
        "exemplars" => reader.parts(&mut point.exemplars, exemplar),
        "flags" => reader.set_u32(&mut point.flags),
        "min" => reader.set_some_f64(&mut point.min),
        "max" => reader.set_some_f64(&mut point.max),
        _ => reader.pass(),
    }
}

fn exponential_point(reader: &mut Reader<'_>, point: &mut ExponentialHistogramDataPoint, key: &str) -> Read<()> {
    match key {
        "attributes" => reader.list(&mut point.attributes, key_value),
        "startTimeUnixNano" => reader.set_u64(&mut point.start_time_unix_nano),
        "timeUnixNano" => reader.set_u64(&mut point.time_unix_nano),
        "count" => reader.set_u64(&mut point.count),
        "sum" => reader.set_some_f64(&mut point.sum),
        "scale" => reader.set_i32(&mut point.scale),
        "zeroCount" => reader.set_u64(&mut point.zero_count),
        "positive" => reader.optional(&mut point.positive, buckets),
        "negative" => reader.optional(&mut point.negative, buckets),
        "flags" => reader.set_u32(&mut point.flags),
        "exemplars" => reader.parts(&mut point.exemplars, exemplar),
        "min" => reader.set_some_f64(&mut point.min),
        "max" => reader.set_some_f64(&mut point.max),
        "zeroThreshold" => reader.set_f64(&mut point.zero_threshold),
        _ => reader.pass(),
    }
}

fn buckets(reader: &mut Reader<'_>, buckets: &mut Buckets, key: &str) -> Read<()> {
    match key {
        "offset" => reader.set_i32(&mut buckets.offset),
        "bucketCounts" => reader.add_u64s(&mut buckets.bucket_counts),
        _ => reader.pass(),
    }
}

fn summary_point(reader: &mut Reader<'_>, point: &mut SummaryDataPoint, key: &str) -> Read<()> {
    match key {
        "attributes" => reader.list(&mut point.attributes, key_value),
        "startTimeUnixNano" => reader.set_u64(&mut point.start_time_unix_nano),
        "timeUnixNano" => reader.set_u64(&mut point.time_unix_nano),
        "count" => reader.set_u64(&mut point.count),
        "sum" => reader.set_f64(&mut point.sum),
        "quantileValues" => reader.list(&mut point.quantile_values, quantile),
        "flags" => reader.set_u32(&mut point.flags),
        _ => reader.pass(),
    }
}

fn quantile(reader: &mut Reader<'_>, quantile: &mut ValueAtQuantile, key: &str) -> Read<()> {
    match key {
        "quantile" => reader.set_f64(&mut quantile.quantile),
        "value" => reader.set_f64(&mut quantile.value),
        _ => reader.pass(),
    }
}

fn exemplar(reader: &mut Reader<'_>, exemplar: &mut Exemplar, key: &str) -> Read<()> {
    let value = match key {
        "asInt" => reader.i64()?.map(exemplar::Value::AsInt),
        "asDouble" => reader.f64()?.map(exemplar::Value::AsDouble),
        "filteredAttributes" => return reader.parts(&mut exemplar.filtered_attributes, key_value),
        "timeUnixNano" => return reader.set_u64(&mut exemplar.time_unix_nano),
        "spanId" => return reader.kept(|reader| reader.set_id(&mut exemplar.span_id, SPAN_ID)),
        "traceId" => return reader.kept(|reader| reader.set_id(&mut exemplar.trace_id, TRACE_ID)),
        _ => return reader.pass(),
    };
    exemplar.value = value.or(exemplar.value);
    Ok(())
}
