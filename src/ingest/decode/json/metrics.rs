//! Metrics and their data points.

use super::DecodeError;
use super::common::{attributes, resource, scope};
use super::read::Object;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exemplar, exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    summary_data_point::ValueAtQuantile,
};

pub(super) fn resource_metrics(from: &Object<'_>) -> Result<ResourceMetrics, DecodeError> {
    Ok(ResourceMetrics {
        resource: from.object("resource", resource)?,
        scope_metrics: from.list("scopeMetrics", scope_metrics)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn scope_metrics(from: &Object<'_>) -> Result<ScopeMetrics, DecodeError> {
    Ok(ScopeMetrics {
        scope: from.object("scope", scope)?,
        metrics: from.list("metrics", metric)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn metric(from: &Object<'_>) -> Result<Metric, DecodeError> {
    Ok(Metric {
        name: from.text("name")?,
        description: from.text("description")?,
        unit: from.text("unit")?,
        metadata: attributes(from, "metadata")?,
        data: data(from)?,
    })
}

/// The one kind of data that is there; of an unknown kind, none.
fn data(from: &Object<'_>) -> Result<Option<Data>, DecodeError> {
    if let Some(data) = from.object("gauge", |data| Ok(Gauge { data_points: data.list("dataPoints", number)? }))? {
        return Ok(Some(Data::Gauge(data)));
    }
    if let Some(data) = from.object("sum", sum)? {
        return Ok(Some(Data::Sum(data)));
    }
    if let Some(data) = from.object("histogram", histogram)? {
        return Ok(Some(Data::Histogram(data)));
    }
    if let Some(data) = from.object("exponentialHistogram", exponential_histogram)? {
        return Ok(Some(Data::ExponentialHistogram(data)));
    }
    let summary =
        from.object("summary", |data| Ok(Summary { data_points: data.list("dataPoints", summary_point)? }))?;
    Ok(summary.map(Data::Summary))
}

fn temporality(from: &Object<'_>) -> Result<i32, DecodeError> {
    from.word("aggregationTemporality", |name| AggregationTemporality::from_str_name(name).map(|word| word as i32))
}

fn sum(from: &Object<'_>) -> Result<Sum, DecodeError> {
    Ok(Sum {
        data_points: from.list("dataPoints", number)?,
        aggregation_temporality: temporality(from)?,
        is_monotonic: from.bool("isMonotonic")?,
    })
}

fn histogram(from: &Object<'_>) -> Result<Histogram, DecodeError> {
    Ok(Histogram {
        data_points: from.list("dataPoints", histogram_point)?,
        aggregation_temporality: temporality(from)?,
    })
}

fn exponential_histogram(from: &Object<'_>) -> Result<ExponentialHistogram, DecodeError> {
    Ok(ExponentialHistogram {
        data_points: from.list("dataPoints", exponential_point)?,
        aggregation_temporality: temporality(from)?,
    })
}

fn number(from: &Object<'_>) -> Result<NumberDataPoint, DecodeError> {
    let value = if from.has("asInt") {
        Some(number_data_point::Value::AsInt(from.i64("asInt")?))
    } else {
        from.f64("asDouble")?.map(number_data_point::Value::AsDouble)
    };
    Ok(NumberDataPoint {
        attributes: attributes(from, "attributes")?,
        start_time_unix_nano: from.u64("startTimeUnixNano")?,
        time_unix_nano: from.u64("timeUnixNano")?,
        exemplars: from.list("exemplars", exemplar)?,
        flags: from.u32("flags")?,
        value,
    })
}

fn histogram_point(from: &Object<'_>) -> Result<HistogramDataPoint, DecodeError> {
    Ok(HistogramDataPoint {
        attributes: attributes(from, "attributes")?,
        start_time_unix_nano: from.u64("startTimeUnixNano")?,
        time_unix_nano: from.u64("timeUnixNano")?,
        count: from.u64("count")?,
        sum: from.f64("sum")?,
        bucket_counts: from.u64s("bucketCounts")?,
        explicit_bounds: from.f64s("explicitBounds")?,
        exemplars: from.list("exemplars", exemplar)?,
        flags: from.u32("flags")?,
        min: from.f64("min")?,
        max: from.f64("max")?,
    })
}

fn exponential_point(from: &Object<'_>) -> Result<ExponentialHistogramDataPoint, DecodeError> {
    Ok(ExponentialHistogramDataPoint {
        attributes: attributes(from, "attributes")?,
        start_time_unix_nano: from.u64("startTimeUnixNano")?,
        time_unix_nano: from.u64("timeUnixNano")?,
        count: from.u64("count")?,
        sum: from.f64("sum")?,
        scale: from.i32("scale")?,
        zero_count: from.u64("zeroCount")?,
        positive: from.object("positive", buckets)?,
        negative: from.object("negative", buckets)?,
        flags: from.u32("flags")?,
        exemplars: from.list("exemplars", exemplar)?,
        min: from.f64("min")?,
        max: from.f64("max")?,
        zero_threshold: from.f64("zeroThreshold")?.unwrap_or_default(),
    })
}

fn buckets(from: &Object<'_>) -> Result<Buckets, DecodeError> {
    Ok(Buckets { offset: from.i32("offset")?, bucket_counts: from.u64s("bucketCounts")? })
}

fn summary_point(from: &Object<'_>) -> Result<SummaryDataPoint, DecodeError> {
    let quantile = |from: &Object<'_>| {
        Ok(ValueAtQuantile {
            quantile: from.f64("quantile")?.unwrap_or_default(),
            value: from.f64("value")?.unwrap_or_default(),
        })
    };
    Ok(SummaryDataPoint {
        attributes: attributes(from, "attributes")?,
        start_time_unix_nano: from.u64("startTimeUnixNano")?,
        time_unix_nano: from.u64("timeUnixNano")?,
        count: from.u64("count")?,
        sum: from.f64("sum")?.unwrap_or_default(),
        quantile_values: from.list("quantileValues", quantile)?,
        flags: from.u32("flags")?,
    })
}

fn exemplar(from: &Object<'_>) -> Result<Exemplar, DecodeError> {
    let value = if from.has("asInt") {
        Some(exemplar::Value::AsInt(from.i64("asInt")?))
    } else {
        from.f64("asDouble")?.map(exemplar::Value::AsDouble)
    };
    Ok(Exemplar {
        filtered_attributes: attributes(from, "filteredAttributes")?,
        time_unix_nano: from.u64("timeUnixNano")?,
        span_id: from.id_or_none("spanId")?,
        trace_id: from.id_or_none("traceId")?,
        value,
    })
}
