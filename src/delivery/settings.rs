//! Settings shared by exporters.

use super::processors::Processor;
use crate::model::frame::Frame;
use crate::model::signal::Signal;
use crate::model::unix_time::since_epoch;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use super::tls::TlsSettings;
pub use crate::model::secret::Secret;

/// Settings of a target's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Timeout of one request.
    pub timeout: Duration,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Which certificates it trusts, and how it authenticates itself.
    pub tls: TlsSettings,
    /// The proxy to use; `None` uses the one from the environment. A secret, because it may contain a password.
    pub proxy_url: Option<Secret>,
    /// How requests are compressed.
    pub compression: Compression,
}

/// `retry_on_failure` of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// If false, a failed request is a dead letter without a retry.
    pub enabled: bool,
    /// Wait after the first failure.
    pub initial_interval: Duration,
    /// Longest wait; the target may ask for a longer one.
    pub max_interval: Duration,
    /// Give up after this long; zero means never.
    pub max_elapsed_time: Duration,
    /// Factor by which each wait is longer than the one before.
    pub multiplier: f64,
    /// Fraction by which a wait is randomly shortened or lengthened, so that senders do not retry in lockstep.
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

/// What a reader takes from the log: one signal, from the receivers that its pipelines name, after their processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The signal.
    pub signal: Signal,
    /// Ids of the receivers.
    pub receivers: Vec<String>,
    /// Processors of the pipelines, in order.
    pub processors: Vec<Arc<Processor>>,
}

impl Feed {
    /// Returns true if a frame is meant for this reader.
    pub(crate) fn takes(&self, frame: &Frame) -> bool {
        frame.signal == self.signal && self.receivers.contains(&frame.receiver)
    }

    /// Applies the processors to a request.
    pub(crate) fn process(&self, request: Bytes) -> Bytes {
        self.processors.iter().fold(request, |request, processor| processor.apply(self.signal, &request))
    }
}

/// Limits of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// A request is sent once it has this many items.
    pub items_min: u64,
    /// Maximum items per request, unless a single received request has more. Zero: no limit.
    pub items_max: u64,
    /// Maximum bytes per request (before compression), unless a single received request has more.
    pub bytes_max: usize,
    /// A request is sent after this long, whatever its size.
    pub flush_timeout: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        // gRPC receivers accept 4 MiB by default.
        BatchSettings { items_min: 8192, items_max: 0, bytes_max: 3 << 20, flush_timeout: Duration::from_millis(200) }
    }
}

/// How a reader of the log keeps up: `sending_queue` of a target. The log itself is the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Maximum number of batches in flight. Batches of metrics are always sent one at a time.
    pub consumers: usize,
    /// Maximum bytes of the log that the reader may be behind; `None` leaves only the log's own limit.
    pub bytes_max: Option<u64>,
    /// Maximum age of the oldest unsent frame; `None` leaves only the log's own limit.
    pub age_max: Option<Duration>,
    /// Past a limit, true drops the oldest frames; false applies backpressure to senders.
    pub drops_oldest: bool,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings { consumers: 10, bytes_max: None, age_max: None, drops_oldest: false }
    }
}

impl QueueSettings {
    /// Returns which limit is exceeded, in words, by a reader `bytes_behind` bytes behind at a frame received at this time.
    pub(super) fn past(&self, bytes_behind: u64, received_unix_nano: i64) -> Option<String> {
        if let Some(limit) = self.bytes_max.filter(|limit| bytes_behind > *limit) {
            return Some(format!("{bytes_behind} bytes wait to be sent, the limit is {limit}"));
        }
        let limit = self.age_max?;
        let received = Duration::from_nanos(u64::try_from(received_unix_nano).unwrap_or_default());
        let age = since_epoch(SystemTime::now()).saturating_sub(received);
        (age > limit)
            .then(|| format!("the oldest frame waits for {} s, the limit is {} s", age.as_secs(), limit.as_secs()))
    }
}

/// Rate limit of a target; `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateSettings {
    /// Requests a second.
    pub requests_per_second: Option<f64>,
    /// Bytes a second, uncompressed.
    pub bytes_per_second: Option<f64>,
}

/// How a request is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip, supported by every OTLP server.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
}

/// Delivery settings of an exporter.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// The exporter's id.
    pub id: String,
    /// Retry policy.
    pub retry: RetrySettings,
    /// Limits of one request.
    pub batch: BatchSettings,
    /// How many batches are in flight, and how far the reader may be behind.
    pub queue: QueueSettings,
}

/// Returns the cursor name of an exporter for a signal.
#[must_use]
pub fn cursor_name(id: &str, signal: Signal) -> String {
    format!("exporter:{id}/{}", signal.as_str())
}
