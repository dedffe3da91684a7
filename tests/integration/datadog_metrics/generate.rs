//! OTLP metrics made up at random, always the same for a seed: every kind, temporality and edge value that the mapping
//! knows, in sequences of requests, for it keeps state.

use super::random::Random;
use super::values::{attribute, attributes, key_value, number, resource};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// A second.
const SECOND: u64 = 1_000_000_000;
/// Times of points; the process of the oracle, and ours, begin between the two starts below.
const TIME: u64 = 4_000_000_000 * SECOND;
/// Before any process began.
const START_BEFORE: u64 = 1_000_000_000 * SECOND;
/// After any process began.
const START_AFTER: u64 = 3_900_000_000 * SECOND;

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

const NAMES: [&str; 6] =
    ["shop.orders", "http.server.request.duration", "system.cpu.time", "jvm.gc.minor_collection_count", "", "ünïcode"];

/// How a case's exporter is set.
#[derive(Debug, Clone)]
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

/// Settings and what the exporter gets, in order.
pub(crate) struct Case {
    pub(crate) settings: Settings,
    pub(crate) requests: Vec<ExportMetricsServiceRequest>,
    /// What the case has of each kind, for the table.
    pub(crate) kinds: Vec<String>,
}

/// What a series is, and how it stands.
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

/// A series' state as its sender has it.
struct Track {
    attributes: Vec<KeyValue>,
    start: u64,
    time: u64,
    total: f64,
    count: u64,
    min: f64,
    max: f64,
    bounds: Vec<f64>,
    buckets: Vec<u64>,
}

/// A case.
pub(crate) fn case(random: &mut Random) -> Case {
    let settings = settings(random);
    let resources: Vec<Resource> = (0..random.below(2) + 1).map(|number| resource(random, number)).collect();
    let mut kinds = Vec::new();
    let mut scopes: Vec<(usize, InstrumentationScope, Vec<Stream>)> = Vec::new();
    for (of, _) in resources.iter().enumerate() {
        // Where scopes give no tags, Datadog cannot tell the same series of two of them apart.
        for number in 0..if settings.scope_tags { random.below(2) + 1 } else { 1 } {
            let streams: Vec<Stream> =
                (0..random.below(4) + 1).map(|number| stream(random, number, &settings)).collect();
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
        // The oracle gives up at the first histogram that it cannot map; so such a one comes last.
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
        // Without it this mode would send nothing, and is refused.
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
    // Of a running total without buckets the oracle's sketch counts the change of the change: not to be had here.
    let has_buckets = matches!(kind, Kind::Histogram { temporality: 2 }) && settings.mode == "distributions";
    let points = (0..random.below(3) + 1).map(|point| track(random, point, has_buckets)).collect();
    Stream { kind, name, unit: random.pick(&UNITS), points }
}

fn track(random: &mut Random, point: u64, has_buckets: bool) -> Track {
    let mut attributes = if random.one_in(3) { attributes(random) } else { Vec::new() };
    if point > 0 || random.one_in(2) {
        attributes.push(key_value("point", attribute(&point.to_string())));
    }
    if random.one_in(10) {
        let kind = random.pick(&["rate", "Rate", "count", "gauge", "nonsense", ""]);
        attributes.push(key_value("datadog.metric.as_type", attribute(kind)));
    }
    let bounds: Vec<f64> = match random.below(8) {
        0 if !has_buckets => Vec::new(),
        1 => vec![0.0],
        2 => vec![-10.0, -1.0, 0.0, 1.0, 10.0],
        3 => vec![0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
        4 => vec![1e-12, 1e-9, 1e9, 1e300, 1e301],
        5 => vec![1.0, f64::INFINITY],
        6 => vec![0.0, 100_000.0, 1_234_567.0, 1e7],
        _ => {
            let mut bound = random.unit() * 10.0 - 3.0;
            (0..random.below(6) + 1)
                .map(|_| {
                    bound += random.unit() * 20.0 + 0.01;
                    bound
                })
                .collect()
        }
    };
    let without_buckets = !has_buckets && random.one_in(6);
    let buckets = if without_buckets { Vec::new() } else { vec![0; bounds.len() + 1] };
    let bounds = if without_buckets { Vec::new() } else { bounds };
    let start = random.pick(&[0, START_BEFORE, START_AFTER, START_AFTER]);
    Track {
        attributes,
        start,
        time: TIME + random.below(50) * SECOND,
        total: 0.0,
        count: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        bounds,
        buckets,
    }
}

/// What happens to a series between two points.
impl Track {
    fn step(&mut self, random: &mut Random) {
        match random.below(20) {
            // Out of order, and twice the same time.
            0 => self.time -= SECOND * random.below(30),
            1 => {}
            // A reset that is told, one that is not, and one at an unknown time.
            2 => {
                self.reset();
                self.start = self.time;
                self.time += 10 * SECOND;
            }
            3 => {
                self.reset();
                self.time += 10 * SECOND;
            }
            4 => {
                self.time += 10 * SECOND;
                self.start = self.time;
            }
            _ => self.time += random.pick(&[SECOND, 10 * SECOND, 60 * SECOND, 9_970_000_000, 10_100_000_000]),
        }
    }

    fn reset(&mut self) {
        (self.total, self.count) = (0.0, 0);
        (self.min, self.max) = (f64::INFINITY, f64::NEG_INFINITY);
        self.buckets.iter_mut().for_each(|bucket| *bucket = 0);
    }

    /// Adds some values to a histogram.
    fn observe(&mut self, random: &mut Random) {
        let most = random.pick(&[0, 1, 1, 5, 100, 70_000, 200_000]);
        let buckets = self.buckets.len();
        for bucket in 0..buckets.max(1) {
            let count = if random.one_in(3) { 0 } else { random.below(most + 1) };
            if let Some(bucket) = self.buckets.get_mut(bucket) {
                *bucket += count;
            }
            self.count += count;
            #[expect(clippy::cast_precision_loss, reason = "a test")]
            let sum = count as f64 * (random.unit() * 10.0 - 1.0);
            self.total += sum;
        }
        self.min = self.min.min(random.unit() * 10.0 - 5.0);
        self.max = self.max.max(random.unit() * 100.0).max(self.min);
    }
}

fn flags(random: &mut Random) -> u32 {
    u32::from(random.one_in(25))
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

fn value(track: &mut Track, random: &mut Random, is_total: bool) -> NumberDataPoint {
    track.step(random);
    let own = number(random);
    let value = if is_total {
        track.total += random.pick(&[0.0, 1.0, 3.5, 1e6, 0.1]);
        match random.below(30) {
            0 => Some(Value::AsDouble(own)),
            1 => None,
            #[expect(clippy::cast_possible_truncation, reason = "a test")]
            2..15 => Some(Value::AsInt(track.total as i64)),
            _ => Some(Value::AsDouble(track.total)),
        }
    } else if random.one_in(3) {
        Some(Value::AsInt(random.pick(&[0, 1, -7, i64::MAX, i64::MIN, 1 << 53])))
    } else {
        Some(Value::AsDouble(own)).filter(|_| !random.one_in(20))
    };
    NumberDataPoint {
        attributes: track.attributes.clone(),
        start_time_unix_nano: track.start,
        time_unix_nano: track.time,
        exemplars: Vec::new(),
        flags: flags(random),
        value,
    }
}

fn histogram(track: &mut Track, random: &mut Random, is_total: bool) -> HistogramDataPoint {
    track.step(random);
    if !is_total {
        track.reset();
    }
    track.observe(random);
    let huge = !is_total && random.one_in(40);
    if huge {
        track.buckets.iter_mut().for_each(|bucket| *bucket += 300_000_000);
    }
    let sum = match random.below(15) {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(f64::INFINITY),
        _ => Some(track.total),
    };
    let has_extremes = random.one_in(2);
    HistogramDataPoint {
        attributes: track.attributes.clone(),
        start_time_unix_nano: track.start,
        time_unix_nano: track.time,
        count: track.count,
        sum,
        bucket_counts: track.buckets.clone(),
        explicit_bounds: track.bounds.clone(),
        exemplars: Vec::new(),
        flags: flags(random),
        min: (has_extremes && track.min.is_finite()).then_some(track.min),
        max: (has_extremes && track.max.is_finite()).then_some(track.max),
    }
}

fn malformed(random: &mut Random) -> Metric {
    let point = |bucket_counts: Vec<u64>, explicit_bounds: Vec<f64>| HistogramDataPoint {
        time_unix_nano: TIME,
        count: bucket_counts.iter().sum(),
        sum: Some(3.0),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    };
    let point = match random.below(3) {
        0 => point(vec![1, 2], vec![1.0, 2.0, 3.0]),
        1 => point(vec![1, 2, 3], vec![]),
        _ => point(vec![1, 2, 3, 4], vec![10.0, 1.0, 5.0]),
    };
    let data = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 });
    Metric { name: "malformed".to_owned(), data: Some(data), ..Metric::default() }
}

fn half(random: &mut Random) -> Option<Buckets> {
    if random.one_in(4) {
        return None;
    }
    let most = random.pick(&[1, 1, 10, 1000, 90_000]);
    let length = random.pick(&[0, 1, 1, 2, 5, 40, 160]);
    Some(Buckets {
        offset: random.pick(&[0, 0, 1, -1, 5, -20, 300, -300, 900, -1000, 100_000, -100_000]),
        bucket_counts: (0..length).map(|_| if random.one_in(2) { 0 } else { random.below(most + 1) }).collect(),
    })
}

fn exponential(track: &mut Track, random: &mut Random) -> ExponentialHistogramDataPoint {
    track.step(random);
    let (mut positive, negative) = (half(random), if random.one_in(3) { half(random) } else { None });
    if random.one_in(40)
        && let Some(positive) = &mut positive
    {
        positive.bucket_counts.push(1 << 40);
    }
    let zero_count = if random.one_in(2) { random.below(4) } else { 0 };
    let counts = [&positive, &negative].into_iter().flatten().flat_map(|half| &half.bucket_counts);
    let count = counts.sum::<u64>() + zero_count;
    let has_extremes = random.one_in(2);
    ExponentialHistogramDataPoint {
        attributes: track.attributes.clone(),
        start_time_unix_nano: track.start,
        time_unix_nano: track.time,
        count: if random.one_in(30) { 0 } else { count },
        sum: match random.below(10) {
            0 => None,
            1 => Some(f64::NAN),
            _ => Some(random.unit() * 1000.0),
        },
        scale: random.pick(&[-11, -10, -4, -1, 0, 1, 2, 3, 4, 5, 6, 8, 10, 20, 40, 60]),
        zero_count,
        positive,
        negative,
        flags: flags(random),
        exemplars: Vec::new(),
        min: has_extremes.then_some(0.25),
        max: has_extremes.then_some(2500.0),
        zero_threshold: 0.0,
    }
}

fn summary(track: &mut Track, random: &mut Random) -> SummaryDataPoint {
    track.step(random);
    track.observe(random);
    let quantiles = [0.0, 0.5, 0.9, 0.99, 1.0, 1e-7, f64::NAN];
    SummaryDataPoint {
        attributes: track.attributes.clone(),
        start_time_unix_nano: track.start,
        time_unix_nano: track.time,
        count: track.count,
        sum: if random.one_in(10) { f64::NAN } else { track.total },
        quantile_values: (0..random.below(4))
            .map(|_| ValueAtQuantile { quantile: random.pick(&quantiles), value: number(random) })
            .collect(),
        flags: flags(random),
    }
}
