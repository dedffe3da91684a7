//! Pseudo-random OTLP metrics from a seed: every kind, temporality and edge value that the mapping handles, in sequences of
//! requests because the mapping keeps state.

use super::points::{exponential, histogram, malformed, summary, value};
use super::random::Random;
use super::track::{Track, track};
use super::values::{attributes, resource};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

const UNITS: [&str; 16] = [
    "",
    "1",
    "s",
    "ms",
    "By",
    "KiBy",
    "mBy",
    "{request}",
    "{request}/s",
    "By/s",
    "{nonsense}",
    "%",
    "Cel",
    "a/b/c",
    "{datapoint}",
    "uW",
];

const SCOPES: [&str; 4] = [
    "",
    "io.shop",
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/cpu",
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/podmanreceiver",
];

const NAMES: [&str; 6] = [
    "shop.orders",
    "http.server.request.duration",
    "system.cpu.time",
    "jvm.gc.minor_collection_count",
    "9 lives",
    "ünïcode",
];

/// Settings of a case's exporter.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the keys of the exporter")]
pub(crate) struct Settings {
    pub(crate) hostname: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) aggregations: bool,
    pub(crate) quantiles: bool,
    pub(crate) raw_value: bool,
    pub(crate) initial: &'static str,
    pub(crate) resource_tags: bool,
    pub(crate) scope_tags: bool,
    pub(crate) infer_interval: bool,
}

/// The exporter's settings and its requests, in order.
pub(crate) struct Case {
    pub(crate) settings: Settings,
    pub(crate) requests: Vec<ExportMetricsServiceRequest>,
    /// The kinds of metrics in the case, for the table.
    pub(crate) kinds: Vec<String>,
}

/// A series and its current state.
struct Stream {
    kind: Kind,
    name: String,
    unit: &'static str,
    points: Vec<Track>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Gauge,
    Sum { temporality: i32, is_monotonic: bool },
    Histogram { temporality: i32 },
    Exponential { temporality: i32 },
    Summary,
}

impl Kind {
    fn name(self) -> String {
        let temporal = |temporality| ["unspecified", "delta", "cumulative"][usize::try_from(temporality).unwrap_or(0)];
        match self {
            Kind::Gauge => "gauge".to_owned(),
            Kind::Sum { temporality, is_monotonic } => {
                format!("sum {}{}", temporal(temporality), if is_monotonic { " monotonic" } else { "" })
            }
            Kind::Histogram { temporality } => format!("histogram {}", temporal(temporality)),
            Kind::Exponential { temporality } => format!("exponential {}", temporal(temporality)),
            Kind::Summary => "summary".to_owned(),
        }
    }
}

/// Generates a case.
pub(crate) fn case(random: &mut Random) -> Case {
    let settings = settings(random);
    let resources: Vec<Resource> = (0..=random.below(2)).map(|number| resource(random, number)).collect();
    let mut kinds = Vec::new();
    let mut scopes: Vec<(usize, InstrumentationScope, Vec<Stream>)> = Vec::new();
    for (of, _) in resources.iter().enumerate() {
        // Without scope tags Datadog cannot distinguish equal series from two scopes.
        for number in 0..if settings.scope_tags { random.below(2) + 1 } else { 1 } {
            let streams: Vec<Stream> = (0..=random.below(4)).map(|number| stream(random, number, &settings)).collect();
            kinds.extend(streams.iter().map(|stream| stream.kind.name()));
            scopes.push((of, scope(random, number), streams));
        }
    }
    let steps = random.below(5) + 1;
    let mut requests = Vec::new();
    for step in 0..steps {
        let mut request = ExportMetricsServiceRequest::default();
        for (number, resource) in resources.iter().enumerate() {
            let own = scopes.iter_mut().filter(|(of, ..)| *of == number);
            let scope_metrics = own.map(|(_, scope, streams)| ScopeMetrics {
                scope: Some(scope.clone()),
                metrics: streams.iter_mut().map(|stream| stream.metric(random)).collect(),
                schema_url: String::new(),
            });
            request.resource_metrics.push(ResourceMetrics {
                resource: Some(resource.clone()),
                scope_metrics: scope_metrics.collect(),
                schema_url: String::new(),
            });
        }
        // The oracle stops at the first histogram that it cannot map, so a malformed one comes last.
        if step + 1 == steps && random.one_in(12) {
            kinds.push("histogram malformed".to_owned());
            let last = request.resource_metrics.last_mut().and_then(|resource| resource.scope_metrics.last_mut());
            last.unwrap().metrics.push(malformed(random));
        }
        requests.push(request);
    }
    Case { settings, requests, kinds }
}

fn settings(random: &mut Random) -> Settings {
    let mode = random.pick(&["distributions", "distributions", "counters", "nobuckets"]);
    Settings {
        hostname: random.pick(&["", "fallback.example"]),
        mode,
        // Without aggregations this mode would send nothing and is rejected.
        aggregations: mode == "nobuckets" || random.one_in(2),
        quantiles: !random.one_in(3),
        raw_value: random.one_in(5),
        initial: random.pick(&["auto", "auto", "keep", "drop"]),
        resource_tags: random.one_in(4),
        scope_tags: !random.one_in(3),
        infer_interval: random.one_in(4),
    }
}

fn scope(random: &mut Random, number: u64) -> InstrumentationScope {
    InstrumentationScope {
        name: random.pick(&SCOPES).to_owned(),
        version: format!("{number}.{}", random.below(3)),
        attributes: if random.one_in(3) { attributes(random) } else { Vec::new() },
        dropped_attributes_count: 0,
    }
}

fn stream(random: &mut Random, number: u64, settings: &Settings) -> Stream {
    let temporality = if random.one_in(30) { 0 } else { i32::try_from(random.below(2)).unwrap() + 1 };
    let kind = match random.below(9) {
        0 => Kind::Gauge,
        1..=3 => Kind::Sum { temporality, is_monotonic: !random.one_in(3) },
        4 | 5 => Kind::Histogram { temporality },
        6 | 7 => Kind::Exponential { temporality: if random.one_in(8) { temporality } else { 1 } },
        _ => Kind::Summary,
    };
    let name = random.pick(&NAMES);
    let is_rate = name.starts_with("jvm") && matches!(kind, Kind::Sum { .. }) && number == 0;
    let name = if is_rate { name.to_owned() } else { format!("{name}.{number}") };
    // For cumulative histograms without buckets the oracle's sketch counts the change of the change, so they are excluded.
    let has_buckets = matches!(kind, Kind::Histogram { temporality: 2 }) && settings.mode == "distributions";
    let points = (0..=random.below(3)).map(|point| track(random, point, has_buckets)).collect();
    Stream { kind, name, unit: random.pick(&UNITS), points }
}

impl Stream {
    fn metric(&mut self, random: &mut Random) -> Metric {
        let kind = self.kind;
        let is_total = matches!(
            kind,
            Kind::Sum { temporality: 2, is_monotonic: true } | Kind::Histogram { temporality: 2 } | Kind::Summary
        );
        let tracks = self.points.iter_mut();
        let data = match kind {
            Kind::Gauge => {
                Data::Gauge(Gauge { data_points: tracks.map(|track| value(track, random, false)).collect() })
            }
            Kind::Sum { temporality, is_monotonic } => Data::Sum(Sum {
                data_points: tracks.map(|track| value(track, random, is_total)).collect(),
                aggregation_temporality: temporality,
                is_monotonic,
            }),
            Kind::Histogram { temporality } => Data::Histogram(Histogram {
                data_points: tracks.map(|track| histogram(track, random, is_total)).collect(),
                aggregation_temporality: temporality,
            }),
            Kind::Exponential { temporality } => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: tracks.map(|track| exponential(track, random)).collect(),
                aggregation_temporality: temporality,
            }),
            Kind::Summary => {
                Data::Summary(Summary { data_points: tracks.map(|track| summary(track, random)).collect() })
            }
        };
        Metric { name: self.name.clone(), unit: self.unit.to_owned(), data: Some(data), ..Metric::default() }
    }
}
