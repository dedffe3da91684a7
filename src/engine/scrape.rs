//! Contents of a Prometheus scrape: span metrics as the Collector's connector exposes them, metrics received over OTLP,
//! and Spanwise's own findings, budgets and pipelines.

use super::Engine;
use super::costs::Cost;
use super::rollups::{OVERFLOW, RollupTable};
use crate::model::budget::Budget;
use crate::model::finding::Finding;
use crate::model::scrape::{
    Attributes, Family, FamilyKind, Identity, SPAN_METRICS_BOUNDS_MS, Sample, SampleValue, Scrape,
};
use arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Maximum number of findings in a scrape; firing ones come first.
const FINDINGS_MAX: usize = 2000;

/// Resource attributes that make up `job` and `instance`, and their columns.
const IDENTITY: [(&str, &str); 3] = [
    ("service.name", "service_name"),
    ("service.namespace", "service_namespace"),
    ("service.instance.id", "service_instance_id"),
];

impl Engine {
    /// Returns the derived metrics: span metrics, budgets, and the values and limits of findings.
    ///
    /// # Errors
    /// Returns an error if the span metrics cannot be merged.
    pub async fn derived(&self) -> anyhow::Result<Scrape> {
        let mut scrape = Scrape::default();
        scrape.families.extend(findings(&self.findings.borrow()));
        scrape.families.extend(budgets(&self.rules().budgets));
        if let Some(table) = self.all_tables().rollups.get("span_metrics") {
            span_metrics(&table.merged(0).await?, &mut scrape);
        }
        Ok(scrape)
    }

    /// Returns all metrics of a Prometheus scrape.
    ///
    /// # Errors
    /// Returns an error if the span metrics cannot be merged.
    pub async fn scrape(&self) -> anyhow::Result<Scrape> {
        let mut scrape = self.derived().await?;
        scrape.families.extend(pipelines(&self.costs.all()));
        let values = self.last_values.lock();
        let (counters, points) = (values.counters_overflowed, values.overflowed);
        values.scrape(&mut scrape);
        drop(values);
        scrape.families.extend(overflow(&self.all_tables().rollups, counters, points));
        Ok(scrape)
    }
}

/// Adds the rows of the all-time rollup `span_metrics` as the connector's two families.
fn span_metrics(batch: &RecordBatch, scrape: &mut Scrape) {
    let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let columns = ["service_name", "span_name", "span_kind", "status_code"].map(text);
    let [Some(service), Some(span), Some(kind), Some(status)] = columns else { return };
    let identity = IDENTITY.map(|(name, column)| (name, text(column)));
    let mut resources: BTreeSet<Arc<Attributes>> = BTreeSet::new();
    let mut resource_of = |row: usize| {
        let value = |(name, column): (&str, Option<&StringArray>)| {
            let column = column.filter(|column| column.is_valid(row))?;
            Some((name.to_owned(), column.value(row).to_owned()))
        };
        // Overflow series have no resource.
        if service.value(row) == OVERFLOW {
            return None;
        }
        let resource: Attributes = identity.into_iter().filter_map(value).collect();
        if let Some(known) = resources.get(&resource) {
            return Some(known.clone());
        }
        let resource = Arc::new(resource);
        resources.insert(resource.clone());
        Some(resource)
    };
    let float = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>());
    // After upstream sampling, these include the spans that were not recorded, as in the connector.
    let (calls, sums) = (float("calls_estimated"), float("duration_sum_ms"));
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
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and it saturates")]
        let count = calls.value(row) as u64;
        let of = Arc::new(Identity::new(attributes, resource_of(row), Arc::default()));
        let sample = |value| Sample::plain(of.clone(), value);
        counters.push(sample(SampleValue::Number(calls.value(row))));
        if buckets.is_valid(row) {
            let counts = buckets.value(row);
            let counts =
                counts.as_primitive::<Int64Type>().values().iter().map(|count| count.cast_unsigned()).collect();
            let (bounds, sum) = (bounds.clone(), sums.value(row));
            histograms.push(sample(SampleValue::Histogram { bounds, counts, sum, count }));
        }
    }
    scrape.families.extend([
        family("traces.span.metrics.calls", "", "Spans, all of them.", FamilyKind::Counter, counters),
        family("traces.span.metrics.duration", "ms", "Duration of spans.", FamilyKind::Histogram, histograms),
    ]);
}

/// Returns the number of findings in each state, and the value and limit of each key.
fn findings(findings: &[Finding]) -> Vec<Family> {
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
        // The series shows the latest value, even while the finding still reports why it fired.
        values.extend(sample(finding.recovering.map_or(finding.value, |recovering| recovering.value)));
        limits.extend(sample(finding.limit));
    }
    let count = |((pipeline, state, severity), count): ((&str, &str, &str), f64)| {
        let labels = [("pipeline", pipeline), ("state", state), ("severity", severity)];
        own(attributes(labels.map(|(name, value)| (name, value.to_owned()))), SampleValue::Number(count))
    };
    vec![
        gauge("spanwise.findings", "Evaluated keys, by state.", counts.into_iter().map(count).collect()),
        gauge("spanwise.finding.value", "What a key was judged by, in the unit of its label.", values),
        gauge("spanwise.finding.limit", "The limit of a key, in the unit of its label.", limits),
    ]
}

/// Returns the limits of the user's budgets.
fn budgets(budgets: &[Budget]) -> Vec<Family> {
    let sample = |budget: &Budget| {
        let labels = attributes([
            ("kind", budget.kind.as_str().to_owned()),
            ("name", budget.name.clone()),
            ("unit", budget.unit.clone()),
        ]);
        own(labels, SampleValue::Number(budget.limit))
    };
    let samples = budgets.iter().map(sample).collect();
    vec![gauge("spanwise.budget.limit", "Budgets in force, in the unit of the label.", samples)]
}

/// Returns the cost of each pipeline.
fn pipelines(costs: &BTreeMap<String, Cost>) -> Vec<Family> {
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

/// Returns the overflow counters: rows under overflow series, by table; points of cumulative counters without a known
/// increase; points of series that the scrape omits.
fn overflow(tables: &BTreeMap<String, Arc<RollupTable>>, counters: u64, last_values: u64) -> Vec<Family> {
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
    Sample::plain(Identity::own(attributes), value)
}

fn gauge(name: &str, description: &str, samples: Vec<Sample>) -> Family {
    family(name, "", description, FamilyKind::Gauge, samples)
}

fn family(name: &str, unit: &str, description: &str, kind: FamilyKind, samples: Vec<Sample>) -> Family {
    let (name, unit, description) = (name.to_owned(), unit.to_owned(), description.to_owned());
    Family { name, unit, description, descriptions_differ: false, kind, samples }
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
                "span_kind": "SERVER", "status_code": status, "calls": 1, "calls_estimated": 2.0, "duration_sum_ms": 3.0,
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
        let mut scrape = Scrape::default();
        span_metrics(&crate::engine::tables::batch(&schema, &rows).unwrap(), &mut scrape);
        let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let eu: Attributes = of(&[("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "1")]);
        let resources: Vec<_> =
            scrape.families[0].samples.iter().map(|sample| sample.of.resource().map(|held| (**held).clone())).collect();
        assert_eq!(resources, [Some(eu.clone()), Some(eu), Some(of(&[("service.name", "shop")])), None]);
        let SampleValue::Histogram { count, .. } = scrape.families[1].samples[0].value else { panic!("a histogram") };
        assert_eq!(
            (&scrape.families[0].samples[0].value, count),
            (&SampleValue::Number(2.0), 2),
            "what they stand for"
        );
        let shared = |at: usize| scrape.families[0].samples[at].of.resource().unwrap();
        assert!(Arc::ptr_eq(shared(0), shared(1)));
    }
}
