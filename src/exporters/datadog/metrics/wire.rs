//! The intakes' messages, from `agent_payload.proto`.

use prost::Message;

/// A series.
#[derive(Clone, PartialEq, Message)]
pub(in crate::exporters::datadog) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::exporters::datadog) resources: Vec<Resource>,
    #[prost(string, tag = "2")]
    pub(in crate::exporters::datadog) metric: String,
    #[prost(string, repeated, tag = "3")]
    pub(in crate::exporters::datadog) tags: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(in crate::exporters::datadog) points: Vec<Point>,
    #[prost(enumeration = "Kind", tag = "5")]
    pub(in crate::exporters::datadog) kind: i32,
    #[prost(string, tag = "6")]
    pub(in crate::exporters::datadog) unit: String,
    #[prost(int64, tag = "8")]
    pub(in crate::exporters::datadog) interval: i64,
    #[prost(message, optional, tag = "9")]
    pub(in crate::exporters::datadog) metadata: Option<Metadata>,
}

/// Type of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(in crate::exporters::datadog) enum Kind {
    Unspecified = 0,
    Count = 1,
    Rate = 2,
    Gauge = 3,
}

/// A value and its time, in seconds.
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::exporters::datadog) struct Point {
    #[prost(double, tag = "1")]
    pub(in crate::exporters::datadog) value: f64,
    #[prost(int64, tag = "2")]
    pub(in crate::exporters::datadog) timestamp: i64,
}

/// What a series belongs to: a host, a device.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::exporters::datadog) struct Resource {
    #[prost(string, tag = "1")]
    pub(in crate::exporters::datadog) kind: String,
    #[prost(string, tag = "2")]
    pub(in crate::exporters::datadog) name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::exporters::datadog) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(in crate::exporters::datadog) origin: Option<Origin>,
}

/// Origin of metrics: the product, and the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::exporters::datadog) struct Origin {
    #[prost(uint32, tag = "4")]
    pub(in crate::exporters::datadog) product: u32,
    #[prost(uint32, tag = "5")]
    pub(in crate::exporters::datadog) category: u32,
    #[prost(uint32, tag = "6")]
    pub(in crate::exporters::datadog) service: u32,
}

/// Sketches of one series.
#[derive(Clone, PartialEq, Message)]
pub(in crate::exporters::datadog) struct Sketches {
    #[prost(string, tag = "1")]
    pub(in crate::exporters::datadog) metric: String,
    #[prost(string, tag = "2")]
    pub(in crate::exporters::datadog) host: String,
    #[prost(string, repeated, tag = "4")]
    pub(in crate::exporters::datadog) tags: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(in crate::exporters::datadog) dogsketches: Vec<Dogsketch>,
    #[prost(message, optional, tag = "8")]
    pub(in crate::exporters::datadog) metadata: Option<Metadata>,
}

/// A sketch and its time, in seconds.
#[derive(Clone, PartialEq, Message)]
pub(in crate::exporters::datadog) struct Dogsketch {
    #[prost(int64, tag = "1")]
    pub(in crate::exporters::datadog) timestamp: i64,
    #[prost(int64, tag = "2")]
    pub(in crate::exporters::datadog) count: i64,
    #[prost(double, tag = "3")]
    pub(in crate::exporters::datadog) min: f64,
    #[prost(double, tag = "4")]
    pub(in crate::exporters::datadog) max: f64,
    #[prost(double, tag = "5")]
    pub(in crate::exporters::datadog) average: f64,
    #[prost(double, tag = "6")]
    pub(in crate::exporters::datadog) sum: f64,
    #[prost(sint32, repeated, tag = "7")]
    pub(in crate::exporters::datadog) keys: Vec<i32>,
    #[prost(uint32, repeated, tag = "8")]
    pub(in crate::exporters::datadog) counts: Vec<u32>,
}
