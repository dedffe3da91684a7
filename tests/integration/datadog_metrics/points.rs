//! Generates points of a series, including unusual ones.

use super::random::Random;
use super::track::{TIME, Track};
use super::values::number;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};

fn flags(random: &mut Random) -> u32 {
    u32::from(random.one_in(25))
}

pub(crate) fn value(track: &mut Track, random: &mut Random, is_total: bool) -> NumberDataPoint {
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

pub(crate) fn histogram(track: &mut Track, random: &mut Random, is_total: bool) -> HistogramDataPoint {
    track.step(random);
    if !is_total {
        track.reset();
    }
    track.observe(random);
    let huge = !is_total && random.one_in(40);
    if huge {
        track.buckets.iter_mut().for_each(|bucket| *bucket += 300_000_000);
        track.count += 300_000_000 * track.buckets.len() as u64;
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

pub(crate) fn malformed(random: &mut Random) -> Metric {
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

pub(crate) fn exponential(track: &mut Track, random: &mut Random) -> ExponentialHistogramDataPoint {
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
        count,
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

pub(crate) fn summary(track: &mut Track, random: &mut Random) -> SummaryDataPoint {
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
