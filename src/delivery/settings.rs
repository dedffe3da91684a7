//! Settings that exporters share.

use super::processors::Processor;
use crate::model::frame::Frame;
use crate::model::signal::Signal;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use super::tls::TlsSettings;
pub use crate::model::secret::Secret;

/// How requests are made to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// How long one request may take.
    pub timeout: Duration,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Whom it trusts, and how it shows who it is.
    pub tls: TlsSettings,
    /// The proxy that it goes through; where `None`, the one that the environment names. A secret, for it may hold one.
    pub proxy_url: Option<Secret>,
    /// How requests are compressed.
    pub compression: Compression,
}

/// `retry_on_failure` of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// Off: what fails once is a dead letter.
    pub enabled: bool,
    /// Wait after the first failure.
    pub initial_interval: Duration,
    /// Longest wait; a wait that the target asks for may be longer.
    pub max_interval: Duration,
    /// Give up after this long; zero never gives up.
    pub max_elapsed_time: Duration,
    /// By how much each wait is longer than the one before.
    pub multiplier: f64,
    /// Share by which a wait is made shorter or longer at random, so that senders do not march in step.
    pub randomization_factor: f64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::ZERO,
            multiplier: 1.5,
            randomization_factor: 0.5,
        }
    }
}

/// What a reader of the log takes: one signal, of the receivers whose pipelines lead to it, through their processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The signal.
    pub signal: Signal,
    /// Ids of the receivers.
    pub receivers: Vec<String>,
    /// What the pipelines change, in their order.
    pub processors: Vec<Arc<Processor>>,
}

impl Feed {
    /// Whether a frame is for this reader.
    pub(crate) fn takes(&self, frame: &Frame) -> bool {
        frame.signal == self.signal && self.receivers.contains(&frame.receiver)
    }

    /// A request as the processors leave it.
    pub(crate) fn process(&self, request: Bytes) -> Bytes {
        self.processors.iter().fold(request, |request, processor| processor.apply(self.signal, &request))
    }
}

/// How much is put into one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// A request is sent as soon as it has this many items.
    pub items_min: u64,
    /// A request holds no more items than this, unless one received request alone has more. Zero: no bound.
    pub items_max: u64,
    /// A request holds no more bytes than this (before compression), unless one received request alone has more.
    pub bytes_max: usize,
    /// A request is sent after this long, however little it holds.
    pub flush_timeout: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        // gRPC receivers take 4 MiB unless they are told otherwise.
        BatchSettings { items_min: 8192, items_max: 0, bytes_max: 3 << 20, flush_timeout: Duration::from_millis(200) }
    }
}

/// How a reader of the log keeps up: `sending_queue` of a target. The queue itself is the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Batches that are under way at once. Those of metrics always follow one another.
    pub consumers: usize,
    /// Bytes of the log that the reader may lie behind; no bound but the log's own where `None`.
    pub bytes_max: Option<u64>,
    /// Age of the oldest frame that it has yet to send; no bound but the log's own where `None`.
    pub age_max: Option<Duration>,
    /// Past a bound the reader goes on without the oldest frames. Else senders are told to come again later.
    pub drops_oldest: bool,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings { consumers: 10, bytes_max: None, age_max: None, drops_oldest: false }
    }
}

impl QueueSettings {
    /// Which bound is passed by a reader that lies so many bytes behind, at a frame received at such a time; for people.
    pub(crate) fn past(&self, bytes_behind: u64, received_unix_nano: i64) -> Option<String> {
        if let Some(limit) = self.bytes_max.filter(|limit| bytes_behind > *limit) {
            return Some(format!("{bytes_behind} bytes wait to be sent, the limit is {limit}"));
        }
        let limit = self.age_max?;
        let received = Duration::from_nanos(u64::try_from(received_unix_nano).unwrap_or_default());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(received);
        (age > limit)
            .then(|| format!("the oldest frame waits for {} s, the limit is {} s", age.as_secs(), limit.as_secs()))
    }
}

/// How fast a target is sent to; no limit where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateSettings {
    /// Requests a second.
    pub requests_per_second: Option<f64>,
    /// Bytes a second, before compression.
    pub bytes_per_second: Option<f64>,
}

/// How a request is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which every OTLP server takes.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
}

/// How an exporter delivers.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// The exporter's id.
    pub id: String,
    /// What follows a failure.
    pub retry: RetrySettings,
    /// How much is put into one request.
    pub batch: BatchSettings,
    /// How many batches are under way, and how far the reader may fall behind.
    pub queue: QueueSettings,
    /// When they were read: a reader that begins with them sees all that is received from then on.
    pub read_at: SystemTime,
}

/// The name of the cursor of an exporter for a signal.
#[must_use]
pub fn cursor_name(id: &str, signal: Signal) -> String {
    format!("exporter:{id}/{}", signal.as_str())
}
