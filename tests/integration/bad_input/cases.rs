//! The cases, and the expected outcome of each.

use super::{good, resource};
use crate::support::now_unix_nano;
use serde_json::{Value, json};

/// Letters of a long value; exceeds 64 KiB.
pub(super) const LONG: usize = 70_000;
/// Number of attributes of the item with many of them.
const MANY: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }
}

/// Expected outcome of a case at a target.
#[derive(Debug)]
pub(super) enum Told {
    /// The target contains the item, described like this.
    Taken(&'static str),
    /// The target does not contain the item; its only dead letter names the metric and contains this text.
    Refused(&'static str),
    /// Both: the item is described like the first text, and the dead letter contains the second.
    InPart(&'static str, &'static str),
    /// The target does not support the signal.
    Elsewhere,
    /// The receiver rejected the item and told the sender, so it reached no target.
    AtTheDoor,
}

use Told::{AtTheDoor, Elsewhere, InPart, Refused, Taken};

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) signal: Signal,
    /// The item without its time and its attribute `case`; for metrics, the fields besides the name.
    item: fn() -> Value,
    /// In the order of `EXPORTERS`.
    pub(super) wanted: [Told; 5],
}

impl Case {
    /// Name of its metric.
    pub(super) fn metric(&self) -> String {
        match self.name {
            "a name without a letter" => "-".to_owned(),
            "a long name" => "long_name_".repeat(25),
            name => name.replace(' ', "."),
        }
    }

    /// Path and body of its request.
    pub(super) fn request(&self) -> (&'static str, Value) {
        let case = |mut item: Value, name: &str| {
            let mut attributes = item["attributes"].as_array().cloned().unwrap_or_default();
            attributes.push(text("case", name));
            item["attributes"] = attributes.into();
            item["timeUnixNano"] = now_unix_nano().to_string().into();
            item
        };
        let (own, beside) = ((self.item)(), good(self));
        match self.signal {
            Signal::Metrics => {
                let mut own = own;
                for kind in ["gauge", "sum", "histogram", "exponentialHistogram"] {
                    if let Some(points) = own.get_mut(kind).and_then(|kind| kind["dataPoints"].as_array_mut()) {
                        points.iter_mut().for_each(|point| *point = case(point.take(), self.name));
                        let now = points[0]["timeUnixNano"].clone();
                        points.iter_mut().for_each(|point| point["timeUnixNano"] = now.clone());
                    }
                }
                own["name"] = self.metric().into();
                let good = json!({"name": "good", "gauge": {"dataPoints": [case(json!({"asInt": "1"}), &beside)]}});
                (
                    "/v1/metrics",
                    json!({"resourceMetrics": [{"resource": resource(), "scopeMetrics": [{"metrics": [own, good]}]}]}),
                )
            }
            Signal::Logs => {
                let records = json!([case(own, self.name), case(json!({"body": {"stringValue": "good"}}), &beside)]);
                (
                    "/v1/logs",
                    json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"logRecords": records}]}]}),
                )
            }
            Signal::Traces => {
                let now = now_unix_nano();
                let span = |mut span: Value, name: &str, of: u64| {
                    span["traceId"] = format!("{:032x}", now + of).into();
                    span["spanId"] = format!("{:016x}", now + of).into();
                    span["name"] = "work".into();
                    span["startTimeUnixNano"] = (now - 1000).to_string().into();
                    span["endTimeUnixNano"] = now.to_string().into();
                    case(span, name)
                };
                let spans = json!([span(own, self.name, 0), span(json!({}), &beside, 1)]);
                ("/v1/traces", json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"spans": spans}]}]}))
            }
        }
    }
}

pub(super) fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn long() -> Value {
    json!([text("long", &"x".repeat(LONG))])
}

fn many() -> Value {
    (0..MANY).map(|number| text(&format!("k{number}"), "v")).collect()
}

fn gauge(value: &Value) -> Value {
    json!({"gauge": {"dataPoints": [{"asDouble": value}]}})
}

/// Creates a delta histogram.
fn histogram(point: Value) -> Value {
    json!({"histogram": {"aggregationTemporality": 1, "dataPoints": [point]}})
}

fn exponential(point: Value) -> Value {
    json!({"exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [point]}})
}

pub(super) const CASES: [Case; 17] = [
    Case {
        name: "a name without a letter",
        signal: Signal::Metrics,
        item: || gauge(&json!(1.5)),
        wanted: [
            Taken("1.5"),
            Refused("no character of its name is valid"),
            Refused("no character of its name is valid"),
            Taken("1.5"),
            Refused("letter"),
        ],
    },
    Case {
        name: "a long name",
        signal: Signal::Metrics,
        item: || gauge(&json!(1.5)),
        wanted: [Taken("1.5"), Taken("1.5"), Taken("1.5"), Taken("1.5"), Taken("1.5")],
    },
    Case {
        name: "no number",
        signal: Signal::Metrics,
        item: || gauge(&json!("NaN")),
        wanted: [
            Taken("NaN"),
            Taken("NaN"),
            Taken("NaN"),
            Refused("JSON"),
            Refused("expected a finite number, found NaN"),
        ],
    },
    Case {
        name: "infinite",
        signal: Signal::Metrics,
        item: || gauge(&json!("-Infinity")),
        wanted: [
            Taken("-Infinity"),
            Taken("-Inf"),
            Taken("-Inf"),
            Refused("JSON"),
            Refused("expected a finite number, found -inf"),
        ],
    },
    Case {
        name: "negative values",
        signal: Signal::Metrics,
        item: || {
            exponential(
                json!({"count": "5", "sum": -9.0, "scale": 0, "zeroCount": "1", "negative": {"offset": 0, "bucketCounts": ["3", "1"]}}),
            )
        },
        wanted: [Taken("count 5"), Taken("count 5"), Taken("count 5"), Taken("count 5"), Taken("count 5")],
    },
    Case {
        name: "another count than its buckets",
        signal: Signal::Metrics,
        item: || {
            histogram(json!({"count": "9", "sum": 2.0, "explicitBounds": [1, 2], "bucketCounts": ["1", "1", "0"]}))
        },
        wanted: [
            Taken("count 9"),
            Taken("count 9"),
            Refused("its count is 9, and its buckets hold 2"),
            Refused("its count is 9, and its buckets hold 2"),
            Refused("its buckets hold, 2, found a count of 9"),
        ],
    },
    Case {
        name: "another count than its exponential buckets",
        signal: Signal::Metrics,
        item: || {
            exponential(
                json!({"count": "9", "sum": 2.0, "scale": 0, "positive": {"offset": 0, "bucketCounts": ["1", "1"]}}),
            )
        },
        wanted: [
            Taken("count 9"),
            Taken("count 2"),
            Refused("its count is 9, and its buckets hold 2"),
            Refused("its count is 9, and its buckets hold 2"),
            Refused("its buckets hold, 2, found a count of 9"),
        ],
    },
    Case {
        name: "bounds that descend",
        signal: Signal::Metrics,
        item: || {
            histogram(json!({"count": "3", "sum": 2.0, "explicitBounds": [2, 1], "bucketCounts": ["1", "1", "1"]}))
        },
        wanted: [AtTheDoor, AtTheDoor, AtTheDoor, AtTheDoor, AtTheDoor],
    },
    Case {
        name: "two values of one time",
        signal: Signal::Metrics,
        item: || json!({"gauge": {"dataPoints": [{"asDouble": 1.5}, {"asDouble": 2.5}]}}),
        wanted: [
            Taken("1.5, 2.5"),
            Taken("2.5"),
            InPart("2.5", "another value of the same millisecond"),
            Taken("1.5, 2.5"),
            Taken("1.5, 2.5"),
        ],
    },
    Case {
        name: "a tag of 70 KB",
        signal: Signal::Metrics,
        item: || json!({"gauge": {"dataPoints": [{"asDouble": 1.5, "attributes": long()}]}}),
        wanted: [
            Taken("1.5 with 70000 letters"),
            Taken("1.5 with 70000 letters"),
            Taken("1.5 with 70000 letters"),
            Taken("1.5 with 70000 letters"),
            Taken("1.5 with 70000 letters"),
        ],
    },
    Case {
        name: "300 tags",
        signal: Signal::Metrics,
        item: || json!({"gauge": {"dataPoints": [{"asDouble": 1.5, "attributes": many()}]}}),
        wanted: [
            Taken("1.5 with 300 tags"),
            Taken("1.5 with 300 tags"),
            Taken("1.5 with 300 tags"),
            Taken("1.5 with 300 tags"),
            Taken("1.5 with 300 tags"),
        ],
    },
    Case {
        name: "an attribute of 70 KB",
        signal: Signal::Logs,
        item: || json!({"body": {"stringValue": "long"}, "attributes": long()}),
        wanted: [Taken("70000 letters"), Elsewhere, Elsewhere, Taken("70000 letters"), Taken("70000 letters")],
    },
    Case {
        name: "300 attributes",
        signal: Signal::Logs,
        item: || json!({"body": {"stringValue": "many"}, "attributes": many()}),
        wanted: [Taken("300 tags"), Elsewhere, Elsewhere, Taken("300 tags"), Taken("300 tags")],
    },
    Case {
        name: "an attribute that is no number",
        signal: Signal::Logs,
        item: || json!({"body": {"stringValue": "nan"}, "attributes": [{"key": "odd", "value": {"doubleValue": "NaN"}}]}),
        wanted: [Taken("odd NaN"), Elsewhere, Elsewhere, Taken("odd null"), Taken("odd NaN")],
    },
    Case {
        name: "a span's attribute of 70 KB",
        signal: Signal::Traces,
        item: || json!({"attributes": long()}),
        // The Agent truncates at 25,000.
        wanted: [Taken("70000 letters"), Elsewhere, Elsewhere, Taken("70000 letters"), Taken("25003 letters")],
    },
    Case {
        name: "a span's 300 attributes",
        signal: Signal::Traces,
        item: || json!({"attributes": many()}),
        wanted: [Taken("300 tags"), Elsewhere, Elsewhere, Taken("300 tags"), Taken("300 tags")],
    },
    Case {
        name: "a span's attribute that is no number",
        signal: Signal::Traces,
        item: || json!({"attributes": [{"key": "odd", "value": {"doubleValue": "NaN"}}]}),
        wanted: [Taken("odd NaN"), Elsewhere, Elsewhere, Taken("odd null"), Taken("odd NaN")],
    },
];
