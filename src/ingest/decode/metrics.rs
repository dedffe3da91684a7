//! Metrics: builds rows of `metrics` (gauges and sums) and `histograms` (histograms, exponential histograms and summaries).

use super::error::DecodeError;
use super::plan::{TablePlan, columns};
use super::rejects::{Faults, Rejects, quoted, signed};
use super::rows::{Block, Rows};
use super::series::Digest;
use crate::model::decoded::Decoded;
use crate::model::hex::hex;
use crate::model::table::TableDef;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exemplar, metric::Data, number_data_point::Value,
};

mod points;

use points::{check_exponential, check_histogram, check_number, check_summary, is_recorded};

columns! {
    /// The columns common to `metrics` and `histograms`.
    struct HeadColumns {
        name, unit, description, kind, temporality, is_monotonic, time, time_unix_nano, start_time_unix_nano,
        scope_name, scope_version, scope_schema_url, scope_attributes, attributes, resource_attributes, series_id, flags,
        exemplar_trace_ids, exemplar_span_ids, exemplar_values, exemplar_times_unix_nano,
    }
}

columns! {
    /// The columns only in `metrics`.
    struct NumberColumns { value, value_int }
}

columns! {
    /// The columns only in `histograms`.
    struct HistogramColumns {
        count, sum, min, max, bounds, bucket_counts, scale, zero_count, zero_threshold, positive_offset,
        positive_counts, negative_offset, negative_counts, quantiles, quantile_values,
    }
}

/// The decoding plans of the two tables.
#[derive(Debug)]
pub(super) struct MetricsPlan {
    numbers: TablePlan,
    number_head: HeadColumns,
    number_columns: NumberColumns,
    histograms: TablePlan,
    histogram_head: HeadColumns,
    histogram_columns: HistogramColumns,
}

impl MetricsPlan {
    pub(super) fn new(tables: &[TableDef]) -> MetricsPlan {
        let numbers = TablePlan::new("metrics", tables);
        let histograms = TablePlan::new("histograms", tables);
        MetricsPlan {
            number_head: HeadColumns::of(&numbers),
            number_columns: NumberColumns::of(&numbers),
            histogram_head: HeadColumns::of(&histograms),
            histogram_columns: HistogramColumns::of(&histograms),
            numbers,
            histograms,
        }
    }

    pub(super) fn rows(
        &self,
        request: &ExportMetricsServiceRequest,
        faults: Faults,
        received: i64,
    ) -> Result<Decoded, DecodeError> {
        let mut tables = Tables {
            plan: self,
            received,
            rejects: Rejects::new("data points", faults),
            digest: Digest::default(),
            numbers: Rows::new(&self.numbers, 0),
            histograms: Rows::new(&self.histograms, 0),
        };
        for (r, resource) in request.resource_metrics.iter().enumerate() {
            let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let number_block = Block::of_resource(&self.numbers, attributes);
            let histogram_block = Block::of_resource(&self.histograms, attributes);
            let resource_digest = tables.digest.attributes(0, attributes);
            for (s, scope_metrics) in resource.scope_metrics.iter().enumerate() {
                let scope = scope_metrics.scope.as_ref();
                let attributes = scope.map_or(&[][..], |scope| &scope.attributes);
                let names = [scope.map_or("", |scope| &scope.name), scope.map_or("", |scope| &scope.version)];
                let scope_digest = tables.digest.attributes(resource_digest, attributes);
                let of_scope = OfScope {
                    scope,
                    schema_url: &scope_metrics.schema_url,
                    numbers: number_block.in_scope(&self.numbers, attributes),
                    histograms: histogram_block.in_scope(&self.histograms, attributes),
                    digest: tables.digest.words(scope_digest, &names),
                };
                for (m, metric) in scope_metrics.metrics.iter().enumerate() {
                    let place = || format!("resourceMetrics[{r}].scopeMetrics[{s}].metrics[{m}]");
                    tables.metric(metric, &of_scope, &place)?;
                }
            }
        }
        let (items, rejected) = tables.rejects.finish();
        let mut decoded = Decoded { received_unix_nano: received, tables: Vec::new(), items, rejected };
        tables.numbers.finish(&mut decoded.tables)?;
        tables.histograms.finish(&mut decoded.tables)?;
        Ok(decoded)
    }
}

/// Data shared by all metrics of a scope.
struct OfScope<'a> {
    scope: Option<&'a InstrumentationScope>,
    schema_url: &'a str,
    numbers: Block<'a>,
    histograms: Block<'a>,
    digest: u64,
}

/// Data shared by all points of a metric.
struct OfMetric<'a, 'b> {
    metric: &'a Metric,
    scope: &'b OfScope<'a>,
    kind: &'static str,
    temporality: Option<&'static str>,
    is_monotonic: Option<bool>,
    digest: u64,
}

/// Data that points of every kind have.
struct Point<'a> {
    attributes: &'a [KeyValue],
    time: u64,
    start: u64,
    flags: u32,
    exemplars: &'a [Exemplar],
}

struct Tables<'a> {
    plan: &'a MetricsPlan,
    received: i64,
    rejects: Rejects,
    digest: Digest,
    numbers: Rows<'a>,
    histograms: Rows<'a>,
}

impl<'a> Tables<'a> {
    fn metric(
        &mut self,
        metric: &'a Metric,
        scope: &OfScope<'a>,
        place: &dyn Fn() -> String,
    ) -> Result<(), DecodeError> {
        let Some(data) = &metric.data else {
            // Its number of points is unknown, too, so it counts as one.
            let kinds = "gauge, sum, histogram, exponentialHistogram or summary";
            self.rejects
                .keeps(Err(format!("data: expected {kinds}, found none of them in {}", quoted(&metric.name))), place);
            return Ok(());
        };
        let (kind, temporality, is_monotonic) = match data {
            Data::Gauge(_) => ("gauge", None, None),
            Data::Sum(sum) => ("sum", temporality_word(sum.aggregation_temporality), Some(sum.is_monotonic)),
            Data::Histogram(data) => ("histogram", temporality_word(data.aggregation_temporality), None),
            Data::ExponentialHistogram(data) => {
                ("exponential_histogram", temporality_word(data.aggregation_temporality), None)
            }
            Data::Summary(_) => ("summary", None, None),
        };
        let monotonic = if is_monotonic == Some(true) { "monotonic" } else { "" };
        let words = [&metric.name, &metric.unit, kind, temporality.unwrap_or_default(), monotonic];
        let digest = self.digest.words(scope.digest, &words);
        let of = OfMetric { metric, scope, kind, temporality, is_monotonic, digest };
        match data {
            Data::Gauge(data) => self.points(&of, &data.data_points, check_number, Tables::number, place),
            Data::Sum(data) => self.points(&of, &data.data_points, check_number, Tables::number, place),
            Data::Histogram(data) => self.points(&of, &data.data_points, check_histogram, Tables::histogram, place),
            Data::ExponentialHistogram(data) => {
                self.points(&of, &data.data_points, check_exponential, Tables::exponential, place)
            }
            Data::Summary(data) => self.points(&of, &data.data_points, check_summary, Tables::summary, place),
        }
    }

    /// Checks each point and appends the valid ones.
    fn points<P>(
        &mut self,
        of: &OfMetric<'a, '_>,
        points: &'a [P],
        check: fn(&P) -> Result<(), String>,
        append: fn(&mut Self, &OfMetric<'a, '_>, &'a P) -> Result<(), DecodeError>,
        place: &dyn Fn() -> String,
    ) -> Result<(), DecodeError> {
        for (i, point) in points.iter().enumerate() {
            if self.rejects.keeps(check(point), || format!("{} ({}).dataPoints[{i}]", place(), quoted(&of.metric.name)))
            {
                append(self, of, point)?;
            }
        }
        Ok(())
    }

    fn number(&mut self, of: &OfMetric<'a, '_>, point: &'a NumberDataPoint) -> Result<(), DecodeError> {
        let series = self.digest.attributes(of.digest, &point.attributes);
        let head = Point {
            attributes: &point.attributes,
            time: point.time_unix_nano,
            start: point.start_time_unix_nano,
            flags: point.flags,
            exemplars: &point.exemplars,
        };
        write_head(&mut self.numbers, &self.plan.number_head, of, &of.scope.numbers, &head, series, self.received);
        let (rows, to) = (&mut self.numbers, &self.plan.number_columns);
        match point.value.filter(|_| is_recorded(point.flags)) {
            Some(Value::AsDouble(value)) => rows.float(to.value, value),
            Some(Value::AsInt(value)) => {
                #[expect(clippy::cast_precision_loss, reason = "the exact value stands in value_int")]
                rows.float(to.value, value as f64);
                rows.int(to.value_int, value);
            }
            None => {}
        }
        rows.end_row()
    }

    fn histogram(&mut self, of: &OfMetric<'a, '_>, point: &'a HistogramDataPoint) -> Result<(), DecodeError> {
        self.histogram_head(
            of,
            &Point {
                attributes: &point.attributes,
                time: point.time_unix_nano,
                start: point.start_time_unix_nano,
                flags: point.flags,
                exemplars: &point.exemplars,
            },
        );
        if !is_recorded(point.flags) {
            return self.histograms.end_row();
        }
        self.totals(point.count, point.sum, point.min, point.max);
        let (rows, to) = (&mut self.histograms, &self.plan.histogram_columns);
        rows.floats(to.bounds, point.explicit_bounds.iter().copied());
        rows.ints(to.bucket_counts, point.bucket_counts.iter().map(|count| signed(*count)));
        rows.end_row()
    }

    fn exponential(
        &mut self,
        of: &OfMetric<'a, '_>,
        point: &'a ExponentialHistogramDataPoint,
    ) -> Result<(), DecodeError> {
        self.histogram_head(
            of,
            &Point {
                attributes: &point.attributes,
                time: point.time_unix_nano,
                start: point.start_time_unix_nano,
                flags: point.flags,
                exemplars: &point.exemplars,
            },
        );
        if !is_recorded(point.flags) {
            return self.histograms.end_row();
        }
        self.totals(point.count, point.sum, point.min, point.max);
        let (rows, to) = (&mut self.histograms, &self.plan.histogram_columns);
        rows.int(to.scale, point.scale.into());
        rows.int(to.zero_count, signed(point.zero_count));
        rows.float(to.zero_threshold, point.zero_threshold);
        let sides = [
            (&point.positive, to.positive_offset, to.positive_counts),
            (&point.negative, to.negative_offset, to.negative_counts),
        ];
        for (buckets, offset, counts) in sides {
            if let Some(buckets) = buckets {
                rows.int(offset, buckets.offset.into());
                rows.ints(counts, buckets.bucket_counts.iter().map(|count| signed(*count)));
            }
        }
        rows.end_row()
    }

    fn summary(&mut self, of: &OfMetric<'a, '_>, point: &'a SummaryDataPoint) -> Result<(), DecodeError> {
        self.histogram_head(
            of,
            &Point {
                attributes: &point.attributes,
                time: point.time_unix_nano,
                start: point.start_time_unix_nano,
                flags: point.flags,
                exemplars: &[],
            },
        );
        if !is_recorded(point.flags) {
            return self.histograms.end_row();
        }
        self.totals(point.count, Some(point.sum), None, None);
        let (rows, to) = (&mut self.histograms, &self.plan.histogram_columns);
        rows.floats(to.quantiles, point.quantile_values.iter().map(|at| at.quantile));
        rows.floats(to.quantile_values, point.quantile_values.iter().map(|at| at.value));
        rows.end_row()
    }

    fn histogram_head(&mut self, of: &OfMetric<'a, '_>, point: &Point<'a>) {
        let series = self.digest.attributes(of.digest, point.attributes);
        let block = &of.scope.histograms;
        write_head(&mut self.histograms, &self.plan.histogram_head, of, block, point, series, self.received);
    }

    fn totals(&mut self, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
        let (rows, to) = (&mut self.histograms, &self.plan.histogram_columns);
        rows.int(to.count, signed(count));
        for (column, value) in [(to.sum, sum), (to.min, min), (to.max, max)] {
            if let Some(value) = value {
                rows.float(column, value);
            }
        }
    }
}

/// Writes the columns common to both tables.
fn write_head<'a>(
    rows: &mut Rows<'a>,
    to: &HeadColumns,
    of: &OfMetric<'a, '_>,
    block: &Block<'a>,
    point: &Point<'a>,
    series: u64,
    received: i64,
) {
    let time = if point.time == 0 { received } else { signed(point.time) };
    rows.promote(point.attributes, block, to.attributes);
    rows.resource(to.resource_attributes, block);
    rows.text(to.name, &of.metric.name);
    rows.text_or_null(to.unit, &of.metric.unit);
    rows.text_or_null(to.description, &of.metric.description);
    rows.text(to.kind, of.kind);
    rows.text_or_null(to.temporality, of.temporality.unwrap_or_default());
    if let Some(is_monotonic) = of.is_monotonic {
        rows.bool(to.is_monotonic, is_monotonic);
    }
    rows.time(to.time, time);
    rows.int(to.time_unix_nano, time);
    if point.start > 0 {
        rows.int(to.start_time_unix_nano, signed(point.start));
    }
    rows.text_or_null(to.scope_name, of.scope.scope.map_or("", |scope| &scope.name));
    rows.text_or_null(to.scope_version, of.scope.scope.map_or("", |scope| &scope.version));
    rows.text_or_null(to.scope_schema_url, of.scope.schema_url);
    if let Some(scope) = of.scope.scope.filter(|scope| !scope.attributes.is_empty()) {
        rows.map(to.scope_attributes, &scope.attributes);
    }
    rows.int(to.series_id, series.cast_signed());
    rows.int(to.flags, point.flags.into());
    write_exemplars(rows, to, point.exemplars);
}

/// Writes the exemplars that reference a trace.
fn write_exemplars(rows: &mut Rows<'_>, to: &HeadColumns, exemplars: &[Exemplar]) {
    let traced = || exemplars.iter().filter(|exemplar| exemplar.trace_id.len() == 16);
    let value = |exemplar: &Exemplar| match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "a value to show, not to count with")]
        Some(exemplar::Value::AsInt(value)) => value as f64,
        None => 0.0,
    };
    rows.texts(to.exemplar_trace_ids, traced().map(|exemplar| hex(&exemplar.trace_id)));
    if traced().next().is_none() {
        return;
    }
    rows.texts(to.exemplar_span_ids, traced().map(|exemplar| hex(&exemplar.span_id)));
    rows.floats(to.exemplar_values, traced().map(value));
    rows.ints(to.exemplar_times_unix_nano, traced().map(|exemplar| signed(exemplar.time_unix_nano)));
}

fn temporality_word(temporality: i32) -> Option<&'static str> {
    match AggregationTemporality::try_from(temporality) {
        Ok(AggregationTemporality::Cumulative) => Some("cumulative"),
        Ok(AggregationTemporality::Delta) => Some("delta"),
        Ok(AggregationTemporality::Unspecified) | Err(_) => None,
    }
}
