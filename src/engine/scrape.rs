//! What a Prometheus scrape shows: span metrics as the Collector's connector gives them, what came in over OTLP, and
//! Spanwise's own findings, budgets and pipelines.

use super::costs::Cost;
use super::rollups::{OVERFLOW, RollupTable};
use crate::model::budget::Budget;
use crate::model::finding::Finding;
use crate::model::scrape::{Family, FamilyKind, Sample, SampleValue, Scrape};
use arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bounds of span metrics, ms: the connector's defaults, and those of `pipelines/queries/span_metrics.sql`.
pub const SPAN_METRICS_BOUNDS_MS: [f64; 16] =
    [2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10000.0, 15000.0];
/// Findings shown; those firing come first.
const FINDINGS_MAX: usize = 2000;

/// What `job` and `instance` are made of, and the columns that hold it.
const IDENTITY: [(&str, &str); 3] = [
    ("service.name", "service_name"),
    ("service.namespace", "service_namespace"),
    ("service.instance.id", "service_instance_id"),
];

type Attributes = BTreeMap<String, String>;

/// Adds the rows of the all-time rollup `span_metrics` as the connector's two families. What came in over OTLP is to
/// stand in `scrape` before: it knows more of a resource than its name.
pub(crate) fn span_metrics(batch: &RecordBatch, scrape: &mut Scrape) {
    let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let columns = ["service_name", "span_name", "span_kind", "status_code"].map(text);
    let [Some(service), Some(span), Some(kind), Some(status)] = columns else { return };
    let identity = IDENTITY.map(|(name, column)| (name, text(column)));
    let mut resources: BTreeMap<Attributes, usize> = BTreeMap::new();
    let mut resource_of = |row: usize| {
        let value = |(name, column): (&str, Option<&StringArray>)| {
            let column = column.filter(|column| column.is_valid(row))?;
            Some((name.to_owned(), column.value(row).to_owned()))
        };
        let resource: Attributes = identity.into_iter().filter_map(value).collect();
        // Series beyond the bound are of nobody.
        (service.value(row) != OVERFLOW).then(|| {
            *resources.entry(resource).or_insert_with_key(|resource| {
                scrape.resources.push(resource.clone());
                scrape.resources.len() - 1
            })
        })
    };
    let calls = batch.column_by_name("calls").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let sums = batch.column_by_name("duration_sum_ms").and_then(|column| column.as_primitive_opt::<Float64Type>());
    let buckets = batch.column_by_name("duration_buckets").and_then(|column| column.as_list_opt::<i32>());
    let (Some(calls), Some(sums), Some(buckets)) = (calls, sums, buckets) else { return };
    let bounds: Arc<[f64]> = SPAN_METRICS_BOUNDS_MS.into();
    let mut counters = Vec::with_capacity(batch.num_rows());
    let mut histograms = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let attributes = attributes([
            ("service.name", service.value(row).to_owned()),
            ("span.name", span.value(row).to_owned()),
            ("span.kind", format!("SPAN_KIND_{}", kind.value(row))),
            ("status.code", format!("STATUS_CODE_{}", status.value(row))),
        ]);
        let (count, resource) = (calls.value(row).cast_unsigned(), resource_of(row));
        let sample = |attributes, value| Sample { resource, ..own(attributes, value) };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        counters.push(sample(attributes.clone(), SampleValue::Number(count as f64)));
        if buckets.is_valid(row) {
            let counts = buckets.value(row);
            let counts =
                counts.as_primitive::<Int64Type>().values().iter().map(|count| count.cast_unsigned()).collect();
            let (bounds, sum) = (bounds.clone(), sums.value(row));
            histograms.push(sample(attributes, SampleValue::Histogram { bounds, counts, sum, count }));
        }
    }
    scrape.families.extend([
        family("traces.span.metrics.calls", "", "Spans, all of them.", FamilyKind::Counter, counters),
        family("traces.span.metrics.duration", "ms", "Duration of spans.", FamilyKind::Histogram, histograms),
    ]);
}

/// Findings: how many stand in which state, and the value and limit of each key.
pub(crate) fn findings(findings: &[Finding]) -> Vec<Family> {
    let mut counts: BTreeMap<(&str, &str, &str), f64> = BTreeMap::new();
    let (mut values, mut limits) = (Vec::new(), Vec::new());
    for (index, finding) in findings.iter().enumerate() {
        let (state, severity) = (finding.state.as_str(), finding.severity.map_or("", |severity| severity.as_str()));
        *counts.entry((&finding.pipeline, state, severity)).or_default() += 1.0;
        if index >= FINDINGS_MAX {
            continue;
        }
        let mut labels: Attributes = finding.key.iter().cloned().collect();
        labels.insert("pipeline".to_owned(), finding.pipeline.clone());
        labels.insert("unit".to_owned(), finding.unit.clone());
        let sample = |value: Option<f64>| value.map(|value| own(labels.clone(), SampleValue::Number(value)));
        // A series follows what was judged last, also while the finding still tells why it fires.
        values.extend(sample(finding.recovering.map_or(finding.value, |recovering| recovering.value)));
        limits.extend(sample(finding.limit));
    }
    let count = |((pipeline, state, severity), count): ((&str, &str, &str), f64)| {
        let labels = [("pipeline", pipeline), ("state", state), ("severity", severity)];
        own(attributes(labels.map(|(name, value)| (name, value.to_owned()))), SampleValue::Number(count))
    };
    vec![
        gauge("spanwise.findings", "Keys that were judged, by state.", counts.into_iter().map(count).collect()),
        gauge("spanwise.finding.value", "What a key was judged by, in the unit of its label.", values),
        gauge("spanwise.finding.limit", "The limit of a key, in the unit of its label.", limits),
    ]
}

/// The user's budgets.
pub(crate) fn budgets(budgets: &[Budget]) -> Vec<Family> {
    let sample = |budget: &Budget| {
        let labels = attributes([
            ("kind", budget.kind.as_str().to_owned()),
            ("name", budget.name.clone()),
            ("unit", budget.unit.clone()),
        ]);
        own(labels, SampleValue::Number(budget.limit))
    };
    let samples = budgets.iter().map(sample).collect();
    vec![gauge("spanwise.budget.limit", "Limits that the user set, in the unit of the label.", samples)]
}

/// What the analyses cost.
pub(crate) fn pipelines(costs: &BTreeMap<String, Cost>) -> Vec<Family> {
    let counter = |name: &str, unit: &str, description: &str, value: &dyn Fn(&Cost) -> f64| {
        let sample = |(id, cost): (&String, &Cost)| {
            own(attributes([("pipeline", id.clone())]), SampleValue::Number(value(cost)))
        };
        family(name, unit, description, FamilyKind::Counter, costs.iter().map(sample).collect())
    };
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let number = |count: u64| count as f64;
    vec![
        counter("spanwise.pipeline.runs", "", "Times a pipeline ran.", &|cost| number(cost.runs)),
        counter("spanwise.pipeline.rows_read", "", "Rows that a pipeline read.", &|cost| number(cost.rows_read)),
        counter("spanwise.pipeline.failures", "", "Times a pipeline failed.", &|cost| number(cost.failures)),
        counter("spanwise.pipeline.duration", "s", "Time that a pipeline took.", &|cost| cost.milliseconds / 1000.0),
    ]
}

/// What there were too many series for: rows counted under an overflow series, by table; points of cumulative counters
/// of which no increase is known; and points of series that the scrape does not show.
pub(crate) fn overflow(tables: &BTreeMap<String, Arc<RollupTable>>, counters: u64, last_values: u64) -> Vec<Family> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let sample = |label: &str, name: &str, count: u64| {
        own(attributes([(label, name.to_owned())]), SampleValue::Number(count as f64))
    };
    let rows = tables.iter().map(|(name, table)| sample("table", name, table.overflowed())).collect();
    let points = vec![sample("of", "counters", counters), sample("of", "scrape", last_values)];
    let of_rows = "Rows of series beyond performance.series_max, counted under (overflow).";
    let of_points = "Points that came to nothing: of cumulative counters beyond an eighth of performance.memory, which are \
                     not counted, and of series beyond performance.series_max, which this scrape does not show.";
    vec![
        family("spanwise.rollup.overflow", "", of_rows, FamilyKind::Counter, rows),
        family("spanwise.points.overflow", "", of_points, FamilyKind::Counter, points),
    ]
}

fn attributes<const N: usize>(pairs: [(&str, String); N]) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn own(attributes: Attributes, value: SampleValue) -> Sample {
    let (scope_name, scope_version) = (String::new(), String::new());
    Sample { attributes, resource: None, scope_name, scope_version, value, time_ms: None }
}

fn gauge(name: &str, description: &str, samples: Vec<Sample>) -> Family {
    family(name, "", description, FamilyKind::Gauge, samples)
}

fn family(name: &str, unit: &str, description: &str, kind: FamilyKind, samples: Vec<Sample>) -> Family {
    Family { name: name.to_owned(), unit: unit.to_owned(), description: description.to_owned(), kind, samples }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use serde_json::json;

    #[test]
    fn span_metrics_bear_the_identity_of_their_resource() {
        let tables = catalog::schemas::builtin().unwrap();
        let schema = tables.iter().find(|table| table.name == "span_metrics").unwrap().schema();
        let row = |name: &str, namespace: Option<&str>, instance: Option<&str>, status: &str| {
            let row = json!({
                "service_name": name, "service_namespace": namespace, "service_instance_id": instance, "span_name": "a",
                "span_kind": "SERVER", "status_code": status, "calls": 2, "duration_sum_ms": 3.0,
                "duration_buckets": vec![0; 17],
            });
            row.as_object().unwrap().clone()
        };
        let rows = vec![
            row("shop", Some("eu"), Some("1"), "OK"),
            row("shop", Some("eu"), Some("1"), "ERROR"),
            row("shop", None, None, "OK"),
            row(OVERFLOW, Some(OVERFLOW), Some(OVERFLOW), OVERFLOW),
        ];
        let mut scrape = Scrape { resources: vec![Attributes::new()], ..Scrape::default() };
        span_metrics(&crate::engine::tables::batch(&schema, &rows).unwrap(), &mut scrape);
        let resources: Vec<_> = scrape.families[0].samples.iter().map(|sample| sample.resource).collect();
        assert_eq!(resources, [Some(1), Some(1), Some(2), None]);
        let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let eu: Attributes = of(&[("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "1")]);
        assert_eq!(scrape.resources[1..], [eu, of(&[("service.name", "shop")])]);
    }
}
