//! The intakes' messages, after `agent_payload.proto`.

use prost::Message;

/// What lies on an intake's list: a series or a sketch.
#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks::datadog) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::sinks::datadog) resources: Vec<Resource>,
    #[prost(string, tag = "2")]
    pub(in crate::sinks::datadog) metric: String,
    #[prost(string, repeated, tag = "3")]
    pub(in crate::sinks::datadog) tags: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(in crate::sinks::datadog) points: Vec<Point>,
    #[prost(enumeration = "Kind", tag = "5")]
    pub(in crate::sinks::datadog) kind: i32,
    #[prost(string, tag = "6")]
    pub(in crate::sinks::datadog) unit: String,
    #[prost(int64, tag = "8")]
    pub(in crate::sinks::datadog) interval: i64,
    #[prost(message, optional, tag = "9")]
    pub(in crate::sinks::datadog) metadata: Option<Metadata>,
}

/// How values of a series belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(in crate::sinks::datadog) enum Kind {
    Unspecified = 0,
    Count = 1,
    Rate = 2,
    Gauge = 3,
}

/// A value, and when it was, in seconds.
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::sinks::datadog) struct Point {
    #[prost(double, tag = "1")]
    pub(in crate::sinks::datadog) value: f64,
    #[prost(int64, tag = "2")]
    pub(in crate::sinks::datadog) timestamp: i64,
}

/// What a series is of: a host, a device.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::sinks::datadog) struct Resource {
    #[prost(string, tag = "1")]
    pub(in crate::sinks::datadog) kind: String,
    #[prost(string, tag = "2")]
    pub(in crate::sinks::datadog) name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::sinks::datadog) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(in crate::sinks::datadog) origin: Option<Origin>,
}

/// Where metrics came from: the product, and the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::sinks::datadog) struct Origin {
    #[prost(uint32, tag = "4")]
    pub(in crate::sinks::datadog) product: u32,
    #[prost(uint32, tag = "5")]
    pub(in crate::sinks::datadog) category: u32,
    #[prost(uint32, tag = "6")]
    pub(in crate::sinks::datadog) service: u32,
}

/// Sketches of one series.
#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks::datadog) struct Sketches {
    #[prost(string, tag = "1")]
    pub(in crate::sinks::datadog) metric: String,
    #[prost(string, tag = "2")]
    pub(in crate::sinks::datadog) host: String,
    #[prost(string, repeated, tag = "4")]
    pub(in crate::sinks::datadog) tags: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(in crate::sinks::datadog) dogsketches: Vec<Dogsketch>,
    #[prost(message, optional, tag = "8")]
    pub(in crate::sinks::datadog) metadata: Option<Metadata>,
}

/// A sketch, and when it was, in seconds.
#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks::datadog) struct Dogsketch {
    #[prost(int64, tag = "1")]
    pub(in crate::sinks::datadog) timestamp: i64,
    #[prost(int64, tag = "2")]
    pub(in crate::sinks::datadog) count: i64,
    #[prost(double, tag = "3")]
    pub(in crate::sinks::datadog) min: f64,
    #[prost(double, tag = "4")]
    pub(in crate::sinks::datadog) max: f64,
    #[prost(double, tag = "5")]
    pub(in crate::sinks::datadog) average: f64,
    #[prost(double, tag = "6")]
    pub(in crate::sinks::datadog) sum: f64,
    #[prost(sint32, repeated, tag = "7")]
    pub(in crate::sinks::datadog) keys: Vec<i32>,
    #[prost(uint32, repeated, tag = "8")]
    pub(in crate::sinks::datadog) counts: Vec<u32>,
}
