use super::otlp::attribute;
use super::*;
use crate::model::finding::{Finding, FindingState, Proof, Severity};
use crate::model::scrape::{Attributes, Family, FamilyKind, Identity, Sample, SampleValue, Scrape};
use crate::state::testing::Scratch;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

fn own() -> Resource {
    Resource { attributes: vec![text("service.name", "spanwise")], ..Resource::default() }
}

fn sample(resource: Option<&Arc<Attributes>>, value: SampleValue) -> Sample {
    let attributes = Attributes::from([("span.name".to_owned(), "GET /a".to_owned())]);
    Sample::plain(Identity::new(attributes, resource.cloned(), Arc::default()), value)
}

fn family(name: &str, kind: FamilyKind, samples: Vec<Sample>) -> Family {
    let (name, unit, description) = (name.to_owned(), "ms".to_owned(), "What it is.".to_owned());
    Family { name, unit, description, descriptions_differ: false, kind, samples }
}

#[test]
fn counters_and_histograms_are_cumulative_since_their_beginning_by_resource() {
    let histogram = SampleValue::Histogram { bounds: [2.0].into(), counts: vec![1, 2], sum: 9.0, count: 3 };
    let shop = Arc::new(Attributes::from([("service.name".to_owned(), "shop".to_owned())]));
    let scrape = Scrape {
        families: vec![
            family("calls", FamilyKind::Counter, vec![sample(Some(&shop), SampleValue::Number(3.0))]),
            family("duration", FamilyKind::Histogram, vec![sample(Some(&shop), histogram)]),
            family("limit", FamilyKind::Gauge, vec![sample(None, SampleValue::Number(5.0))]),
        ],
    };
    let request = metrics::request(&scrape, &own(), 7, 9);
    let services: Vec<String> = request
        .resource_metrics
        .iter()
        .map(|metrics| format!("{:?}", metrics.resource.as_ref().unwrap().attributes[0].value))
        .collect();
    assert!(services[0].contains("spanwise") && services[1].contains("shop"), "{services:?}");
    let of_shop = &request.resource_metrics[1].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &of_shop[0].data else { panic!("{of_shop:?}") };
    let point = &sum.data_points[0];
    assert!(sum.is_monotonic && sum.aggregation_temporality == AggregationTemporality::Cumulative as i32);
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (7, 9));
    assert_eq!((point.value, &point.attributes), (Some(Number::AsDouble(3.0)), &vec![text("span.name", "GET /a")]));
    let Some(Data::Histogram(histogram)) = &of_shop[1].data else { panic!("{of_shop:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((&point.bucket_counts, &point.explicit_bounds), (&vec![1, 2], &vec![2.0]));
    assert_eq!((point.count, point.sum, of_shop[1].unit.as_str()), (3, Some(9.0), "ms"));
    assert!(matches!(request.resource_metrics[0].scope_metrics[0].metrics[0].data, Some(Data::Gauge(_))));
}

#[test]
fn the_value_of_a_finding_belongs_to_the_service_that_it_is_about() {
    let sample = |labels: &[(&str, &str)]| {
        let labels: Attributes = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Sample::plain(Identity::new(labels, None, Arc::default()), SampleValue::Number(1.0))
    };
    let samples = vec![sample(&[("service_name", "shop")]), sample(&[("kind", "api")])];
    let scrape = Scrape { families: vec![family("spanwise.finding.value", FamilyKind::Gauge, samples)] };
    let request = metrics::request(&scrape, &own(), 7, 9);
    let resources: Vec<_> = request.resource_metrics.iter().map(|metrics| metrics.resource.clone().unwrap()).collect();
    assert_eq!(resources[0], own());
    assert_eq!(resources[1].attributes, [text("service.name", "shop")]);
}

fn finding(state: FindingState, severity: Option<Severity>) -> Finding {
    Finding {
        id: "a1".to_owned(),
        pipeline: "slow_statement".to_owned(),
        severity,
        state,
        title: "shop: p95 is 120 ms".to_owned(),
        key: vec![("service_name".to_owned(), "shop".to_owned()), ("db_fingerprint".to_owned(), "SELECT ?".to_owned())]
            .into(),
        value: Some(120.0),
        limit: Some(100.0),
        headroom: None,
        unit: "ms".to_owned(),
        samples: 50,
        impact: String::new(),
        evidence: crate::model::evidence::Evidence::default(),
        trace_ids: vec!["0af3".to_owned(), "0af4".to_owned()].into(),
        evidence_sql: "".into(),
        advice: "Look at its plan.".into(),
        proof: Proof::Measured,
        first_seen_ms: 1,
        last_seen_ms: 3,
        state_since_ms: 2,
        firing_since_ms: Some(2),
        recovering: None,
        ended: None,
    }
}

#[tokio::test]
async fn a_finding_is_told_when_it_fires_worsens_and_ends_once_each_also_over_a_restart() {
    let scratch = Scratch::new();
    let stored = &scratch.state;
    let (warning, critical) = (Some(Severity::Warning), Some(Severity::Critical));
    let steps = [
        (FindingState::Pending, None, None),
        (FindingState::Firing, warning, Some("WARN")),
        (FindingState::Firing, warning, None),
        (FindingState::NoData, None, None),
        (FindingState::Firing, critical, Some("ERROR")),
        (FindingState::Ok, None, Some("INFO")),
        (FindingState::Ok, None, None),
    ];
    for (number, (state, severity, expected)) in steps.into_iter().enumerate() {
        // Each step starts from the stored state, as after a restart.
        let mut told = Reported::read(stored).await.unwrap();
        let (request, news) = told.changes(&[finding(state, severity)], &own(), 9);
        let record = request.resource_logs.first().map(|logs| &logs.scope_logs[0].log_records[0]);
        assert_eq!(record.map(|record| record.severity_text.as_str()), expected, "step {number}");
        told.keep(news, stored).await;
    }
    let (request, _) = Reported::default().changes(&[finding(FindingState::Firing, warning)], &own(), 9);
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.event_name.as_str(), record.time_unix_nano), ("spanwise.finding", 2_000_000));
    for expected in [
        text("spanwise.finding.state", "firing"),
        text("spanwise.finding.key.db_fingerprint", "SELECT ?"),
        text("spanwise.finding.trace_ids", "0af3,0af4"),
        attribute("spanwise.finding.value", Value::DoubleValue(120.0)),
    ] {
        assert!(record.attributes.contains(&expected), "{expected:?} in {:?}", record.attributes);
    }
    assert_eq!(request.resource_logs[0].resource.as_ref().unwrap().attributes, [text("service.name", "shop")]);
}

/// A reload or another configuration may remove a budget: it would never be evaluated again.
#[tokio::test]
async fn what_fires_and_is_judged_no_more_is_over_also_over_a_restart() {
    let scratch = Scratch::new();
    let stored = &scratch.state;
    let firing = finding(FindingState::Firing, Some(Severity::Critical));
    let mut told = Reported::default();
    let (_, news) = told.changes(std::slice::from_ref(&firing), &own(), 9);
    told.keep(news, stored).await;
    let mut after_restart = Reported::read(stored).await.unwrap();
    let (request, news) = after_restart.changes(&[], &own(), 9000);
    let logs = &request.resource_logs[0];
    let record = &logs.scope_logs[0].log_records[0];
    assert_eq!((record.severity_text.as_str(), record.time_unix_nano), ("INFO", 9_000_000_000));
    let title = format!("{} (no longer judged)", firing.title);
    assert_eq!(record.body, Some(AnyValue { value: Some(Value::StringValue(title)) }));
    assert_eq!(logs.resource.as_ref().unwrap().attributes, [text("service.name", "shop")]);
    for expected in [
        text("spanwise.finding.id", &firing.id),
        text("spanwise.finding.state", "resolved"),
        text("spanwise.finding.key.db_fingerprint", "SELECT ?"),
    ] {
        assert!(record.attributes.contains(&expected), "{expected:?} in {:?}", record.attributes);
    }
    let measured = ["severity", "value", "limit", "headroom", "compared", "trace_ids"];
    let is_measured = |key: &str| measured.iter().any(|name| key == format!("spanwise.finding.{name}"));
    assert!(!record.attributes.iter().any(|attribute| is_measured(&attribute.key)), "{:?}", record.attributes);
    after_restart.keep(news, stored).await;
    let told = Reported::read(stored).await.unwrap();
    assert!(told.changes(&[], &own(), 9001).1.is_empty(), "once");
}

#[tokio::test]
async fn what_an_earlier_version_kept_is_read() {
    let scratch = Scratch::new();
    let stored = &scratch.state;
    let firing = finding(FindingState::Firing, Some(Severity::Warning));
    let kept: [(&str, Option<&[u8]>); 2] = [(&firing.id, Some(b"warning")), ("gone", Some(b"critical"))];
    stored.change("derived_findings", &kept).await.unwrap();
    let told = Reported::read(stored).await.unwrap();
    let (request, news) = told.changes(&[firing], &own(), 9);
    assert_eq!((request.resource_logs.len(), news.len()), (0, 1), "it fires as before; nobody knows what is gone");
}
