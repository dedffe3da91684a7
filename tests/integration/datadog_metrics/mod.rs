//! Compares our mapping of metrics with Datadog's own code field by field, on the same requests.
//!
//! Datadog's side is the translator of the Collector's exporter; ours are the final payloads, decoded by Datadog's types.
//!
//! Excluded are known bugs of the translator: values below 2^-1022 (misread by its logarithm on amd64), cumulative histograms
//! without buckets (it counts the change of the change), series that differ only in non-tags (it mixes them), histograms that
//! change bounds, and histograms whose count differs from the sum of their buckets (it sends both). It gets one point at a
//! time, because of several points of a metric it counts only the first one's initial value and loses those of all other
//! series.

mod delivered;
mod faults;
mod generate;
mod hand;
pub(crate) mod oracle;
mod points;
pub(crate) mod random;
mod rows;
mod track;
pub(crate) mod values;

use crate::support::heavy_here;
use bytes::Bytes;
use faults::Fault;
use generate::{Case, Settings};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, Sum, Summary, SummaryDataPoint};
use oracle::{ask, put_frame};
use prost::Message as _;
use random::Random;
use rows::{Answer, SeriesRow, SketchRow, series_differences, sketch_differences};
use spanwise::delivery::{Payload, count_items};
use spanwise::exporters::datadog::metrics::{self, HistogramMode, MetricsSettings, RATES};
use spanwise::exporters::temporality::{Initial, Rules, ToDelta};
use spanwise::model::signal::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// Number of requests to compare.
const REQUESTS: usize = 10_000;
const SEED: u64 = 20_260_101;

/// Generates cases until they have `requests` requests.
fn cases(seed: u64, requests: usize) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut cases: Vec<Case> = Vec::new();
    let mut number = 0;
    while number < requests {
        let case = generate::case(&mut random);
        number += case.requests.len();
        cases.push(case);
    }
    cases
}

fn theirs(cases: &[Case]) -> Vec<Answer> {
    let mut input = Vec::new();
    for case in cases {
        let Settings { hostname, mode, aggregations, quantiles, raw_value, .. } = case.settings;
        let Settings { initial, resource_tags, scope_tags, infer_interval, .. } = case.settings;
        let settings = serde_json::json!({
            "hostname": hostname, "mode": mode, "aggregations": aggregations, "quantiles": quantiles,
            "raw_value": raw_value, "initial": initial, "resource_tags": resource_tags, "scope_tags": scope_tags,
            "infer_interval": infer_interval,
        });
        put_frame(&mut input, settings.to_string().as_bytes());
        input.extend_from_slice(&u32::try_from(case.requests.len()).unwrap().to_le_bytes());
        for request in &case.requests {
            put_frame(&mut input, &point_by_point(request.clone()).encode_to_vec());
        }
    }
    ask("metrics", input)
}

/// Splits sums and summaries into one metric per point, in order.
fn point_by_point(mut request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest {
    for scope in request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
        scope.metrics = std::mem::take(&mut scope.metrics).into_iter().flat_map(points_of).collect();
    }
    request
}

fn points_of(metric: Metric) -> Vec<Metric> {
    let of = |data| Metric { data: Some(data), ..metric.clone() };
    match &metric.data {
        Some(Data::Sum(sum)) => {
            let alone =
                |point: &NumberDataPoint| of(Data::Sum(Sum { data_points: vec![point.clone()], ..sum.clone() }));
            sum.data_points.iter().map(alone).collect()
        }
        Some(Data::Summary(summary)) => {
            let alone = |point: &SummaryDataPoint| of(Data::Summary(Summary { data_points: vec![point.clone()] }));
            summary.data_points.iter().map(alone).collect()
        }
        _ => vec![metric],
    }
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        sums: !settings.raw_value,
        initial: match settings.initial {
            "keep" => Initial::Keep,
            "drop" => Initial::Drop,
            _ => Initial::Auto,
        },
        since_unix_nano: 1_700_000_000_000_000_000,
        rates: &RATES,
        marks: true,
        series_max: 100_000,
        idle_max: Duration::from_hours(1),
    }
}

fn mapping(settings: &Settings) -> MetricsSettings {
    MetricsSettings {
        hostname: settings.hostname.to_owned(),
        histogram_mode: match settings.mode {
            "counters" => HistogramMode::Counters,
            "nobuckets" => HistogramMode::NoBuckets,
            _ => HistogramMode::Distributions,
        },
        aggregations: settings.aggregations,
        quantiles: settings.quantiles,
        sums_to_delta: !settings.raw_value,
        resource_attributes_as_tags: settings.resource_tags,
        scope_as_tags: settings.scope_tags,
        infer_interval: settings.infer_interval,
    }
}

/// Returns our payloads for each request, and the number of items that could not be mapped, each counted once.
fn ours(cases: &[Case], fault: Option<Fault>) -> Vec<(Vec<Payload>, u64)> {
    let mut all = Vec::new();
    for case in cases {
        let mut rules = rules(&case.settings);
        let mut settings = mapping(&case.settings);
        fault.into_iter().for_each(|fault| fault.apply(&mut rules, &mut settings));
        let mut stage = ToDelta::new(rules.clone());
        for request in &case.requests {
            let mut request = request.clone();
            if let Some(fault) = fault {
                fault.misread(&mut request);
                stage = if fault == Fault::Forgets { ToDelta::new(rules.clone()) } else { stage };
            }
            stage.rewrite(&mut request);
            let request = Bytes::from(request.encode_to_vec());
            let mapped = metrics::map(&settings, &request).unwrap();
            let rejected = mapped.rejected.iter().map(|rejected| rejected.items).sum();
            let sent: u64 = mapped.payloads.iter().map(|payload| payload.items).sum();
            let received = count_items(Signal::Metrics, &request);
            assert!(mapped.payloads.is_empty() || sent + rejected == received, "{sent} + {rejected} of {received}");
            all.push((mapped.payloads, rejected));
        }
    }
    all
}

/// Decodes payloads with Datadog's own types.
fn read_back(requests: &[(Vec<Payload>, u64)]) -> Vec<Answer> {
    let mut input = Vec::new();
    for payload in requests.iter().flat_map(|(payloads, _)| payloads) {
        put_frame(&mut input, payload.route.as_bytes());
        put_frame(&mut input, &payload.body);
    }
    let mut answers = ask::<Answer>("payloads", input).into_iter();
    let of_request = requests.iter().map(|(payloads, _)| {
        answers.by_ref().take(payloads.len()).fold(Answer::default(), |mut all, answer| {
            all.series.get_or_insert_default().extend(answer.series.unwrap_or_default());
            all.sketches.get_or_insert_default().extend(answer.sketches.unwrap_or_default());
            all
        })
    });
    of_request.collect()
}

/// Counts of comparisons and differences.
#[derive(Default)]
struct Comparison {
    series: u64,
    sketches: u64,
    series_different: u64,
    sketches_different: u64,
    /// The current request, and examples of differences.
    request: usize,
    examples: Vec<String>,
}

impl Comparison {
    fn differences(&self) -> u64 {
        self.series_different + self.sketches_different
    }

    fn note(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < 5 {
            self.examples.push(format!("request {}: {}", self.request, example()));
        }
    }

    fn series(&mut self, theirs: &[SeriesRow], ours: &[SeriesRow]) {
        self.series += theirs.len() as u64;
        for at in 0..theirs.len().max(ours.len()) {
            let differences = match (theirs.get(at), ours.get(at)) {
                (Some(theirs), Some(ours)) => series_differences(theirs, ours),
                _ => vec!["missing on one side"],
            };
            if !differences.is_empty() {
                self.series_different += 1;
                self.note(|| format!("{differences:?}\n  theirs {:?}\n  ours   {:?}", theirs.get(at), ours.get(at)));
            }
        }
    }

    fn sketches(&mut self, theirs: &[SketchRow], ours: &[SketchRow]) {
        self.sketches += theirs.len() as u64;
        for at in 0..theirs.len().max(ours.len()) {
            let differences = match (theirs.get(at), ours.get(at)) {
                (Some(theirs), Some(ours)) => sketch_differences(theirs, ours),
                _ => vec!["missing on one side"],
            };
            if !differences.is_empty() {
                self.sketches_different += 1;
                self.note(|| format!("{differences:?}\n  theirs {:?}\n  ours   {:?}", theirs.get(at), ours.get(at)));
            }
        }
    }
}

fn compare(theirs: &[Answer], ours: &[Answer]) -> Comparison {
    assert_eq!(theirs.len(), ours.len());
    let mut comparison = Comparison::default();
    for (number, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        comparison.request = number;
        comparison.series(theirs.series.as_deref().unwrap_or_default(), ours.series.as_deref().unwrap_or_default());
        let ours = ours.sketches.as_deref().unwrap_or_default();
        comparison.sketches(theirs.sketches.as_deref().unwrap_or_default(), ours);
    }
    comparison
}

#[test]
fn metrics_are_mapped_as_by_datadogs_own_code() {
    let _turn = heavy_here();
    let cases = cases(SEED, REQUESTS);
    let theirs = theirs(&cases);
    let mapped = ours(&cases, None);
    for ((_, unfit), (their, request)) in
        mapped.iter().zip(theirs.iter().zip(cases.iter().flat_map(|case| &case.requests)))
    {
        // Where their mapping stops, ours drops only the point.
        assert!(their.error.is_empty() || *unfit > 0, "{} is told of nothing in {request:?}", their.error);
    }
    let comparison = compare(&theirs, &read_back(&mapped));
    let mut reached: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for case in &cases {
        for kind in &case.kinds {
            *reached.entry((kind, case.settings.mode)).or_default() += 1;
        }
    }
    println!("{:<28}{:>15}{:>12}{:>12}", "metrics in generated cases", "distributions", "counters", "nobuckets");
    let kinds: std::collections::BTreeSet<&str> = reached.keys().map(|(kind, _)| *kind).collect();
    for kind in kinds {
        let of = |mode| reached.get(&(kind, mode)).copied().unwrap_or_default();
        println!("{kind:<28}{:>15}{:>12}{:>12}", of("distributions"), of("counters"), of("nobuckets"));
    }
    println!("{:<10}{:>10}{:>10}{:>13}", "compared", "requests", "items", "differences");
    println!("{:<10}{:>10}{:>10}{:>13}", "series", theirs.len(), comparison.series, comparison.series_different);
    println!("{:<10}{:>10}{:>10}{:>13}", "sketches", theirs.len(), comparison.sketches, comparison.sketches_different);
    assert_eq!(comparison.differences(), 0, "{}", comparison.examples.join("\n"));
    assert!(comparison.series > 50_000 && comparison.sketches > 5_000, "too little was compared");
}

#[test]
fn each_pair_of_a_resources_attributes_each_unit_and_each_receiver_is_mapped_as_by_datadogs_own_code() {
    let cases = hand::cases();
    let comparison = compare(&theirs(&cases), &read_back(&ours(&cases, None)));
    println!("by hand: {} series compared, {} differ", comparison.series, comparison.series_different);
    assert_eq!(comparison.differences(), 0, "{}", comparison.examples.join("\n"));
    assert!(comparison.series > 1400, "too little was compared: {}", comparison.series);
}

#[test]
fn faults_of_the_mapping_are_seen_in_the_comparison() {
    let _turn = heavy_here();
    let cases = cases(SEED + 1, 1000);
    let theirs = theirs(&cases);
    assert_eq!(compare(&theirs, &read_back(&ours(&cases, None))).differences(), 0);
    let mut caught = 0;
    for fault in Fault::ALL {
        let differences = compare(&theirs, &read_back(&ours(&cases, Some(fault)))).differences();
        println!("{fault:?}: {differences} differences");
        caught += u64::from(differences > 0);
    }
    println!("seeded: {}, caught: {caught}", Fault::ALL.len());
    assert_eq!(caught, Fault::ALL.len() as u64);
}
