//! Remote write in the contract tests. Its messages are written by hand from
//! <https://github.com/prometheus/prometheus/blob/main/prompb/io/prometheus/write/v2/types.proto> and `types.proto` of 1.0.

use super::exporters::{Item, Verdict};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct OldRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<OldTimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct OldTimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

pub(super) fn settings(port: u16) -> String {
    format!("endpoint: \"http://127.0.0.1:{port}/api/v1/write\"")
}

/// Returns the items of a request of either version, sorted by time.
pub(super) fn items(_path: &str, body: &Bytes) -> Vec<Item> {
    let body = snap::raw::Decoder::new().decompress_vec(body).expect("snappy's block format");
    let new = Request::decode(&*body).expect("protobuf");
    let series: Vec<(BTreeMap<String, String>, Vec<Sample>)> = if new.symbols.is_empty() {
        let old = OldRequest::decode(&*body).expect("protobuf").timeseries.into_iter();
        old.map(|of| (of.labels.into_iter().map(|label| (label.name, label.value)).collect(), of.samples)).collect()
    } else {
        let symbol = |place: &u32| new.symbols[usize::try_from(*place).expect("small")].clone();
        let labels =
            |of: &TimeSeries| of.labels_refs.chunks(2).map(|pair| (symbol(&pair[0]), symbol(&pair[1]))).collect();
        new.timeseries.iter().map(|of| (labels(of), of.samples.clone())).collect()
    };
    let mut items: Vec<(i64, Item)> = Vec::new();
    for (labels, samples) in series.into_iter().filter(|(labels, _)| labels["__name__"] == "contract") {
        for sample in samples {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of the test")]
            items.push((sample.timestamp, Item { number: sample.value as u64, series: labels["series"].clone() }));
        }
    }
    items.sort_by_key(|(time, _)| *time);
    items.into_iter().map(|(_, item)| item).collect()
}

pub(super) fn answer(_path: &str, items: &[Item], verdict: &Verdict) -> Response<Body> {
    let answer = Response::builder();
    let written = |number: usize| ("x-prometheus-remote-write-samples-written", number.to_string());
    let (answer, words) = match verdict {
        Verdict::Taken => {
            let (name, number) = written(items.len());
            (answer.status(StatusCode::NO_CONTENT).header(name, number), "")
        }
        Verdict::But(_) => {
            let (name, number) = written(items.len() - 1);
            (answer.status(StatusCode::BAD_REQUEST).header(name, number), "out of order sample")
        }
        Verdict::Refused => (answer.status(StatusCode::BAD_REQUEST), "that item is nothing that is taken"),
        Verdict::Busy(after) => {
            (answer.status(StatusCode::TOO_MANY_REQUESTS).header("retry-after", after.as_secs()), "too many")
        }
        Verdict::Denied => (answer.status(StatusCode::UNAUTHORIZED), "no such user"),
        Verdict::Unavailable => (answer.status(StatusCode::SERVICE_UNAVAILABLE), "not now"),
        Verdict::TooLarge => (answer.status(StatusCode::PAYLOAD_TOO_LARGE), "too large"),
    };
    answer.body(Body::from(words)).expect("a response")
}
