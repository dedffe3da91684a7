//! Admission: within the bounds, known resends told, decoded once, on disk, then acknowledged.

use super::decode::{DECODER_VERSION, Decoder};
use super::dedup_cache::{Claim, DedupCache, Seen};
use super::inflight::InflightPermit;
use super::refusal::{RETRY_AFTER, Refusal};
use crate::log::{AppendError, Log};
use crate::model::decoded::{Answer, Decoded, Rejected};
use crate::model::frame::{Frame, digest};
use crate::model::self_telemetry;
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Bodies from this size on are decoded off the async workers' turn, so that small requests do not wait for them.
const BIG_BODY_BYTES: usize = 64 << 10;

/// Bounds of admission.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Bytes of all requests that are not answered yet: as they arrive, inflated, and then those of the rows.
    pub inflight_bytes_max: usize,
    /// How long a digest is kept.
    pub dedup_window: Duration,
    /// How many digests are kept at most.
    pub dedup_entries_max: usize,
    /// Memory that digests, with what was answered, may take.
    pub dedup_bytes_max: usize,
    /// Whether equal log requests are resends too: equal logs can be legitimate.
    pub dedup_logs: bool,
}

impl Default for IngestSettings {
    fn default() -> Self {
        IngestSettings {
            inflight_bytes_max: 256 << 20,
            dedup_window: Duration::from_mins(10),
            dedup_entries_max: 1_000_000,
            dedup_bytes_max: 128 << 20,
            dedup_logs: false,
        }
    }
}

/// How much came in, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests acknowledged, resends included.
    pub requests: AtomicU64,
    /// Items acknowledged and stored.
    pub items: AtomicU64,
    /// Items refused out of good requests.
    pub items_rejected: AtomicU64,
    /// Requests known as resends.
    pub resends: AtomicU64,
    /// Requests refused whole.
    pub refused: AtomicU64,
}

/// What became of a request.
struct Taken {
    items: u64,
    answer: Arc<Answer>,
    resend: bool,
}

/// The door that every receiver leads to.
pub struct Admission {
    log: Log<Arc<Decoded>>,
    decoder: Arc<Decoder>,
    settings: IngestSettings,
    recent: Arc<DedupCache>,
    inflight_bytes: Arc<AtomicUsize>,
    counters: Counters,
}

impl Admission {
    /// A door in front of `log`.
    #[must_use]
    pub fn new(log: Log<Arc<Decoded>>, decoder: Arc<Decoder>, settings: IngestSettings) -> Arc<Admission> {
        let recent = DedupCache::new(settings.dedup_window, settings.dedup_entries_max, settings.dedup_bytes_max);
        Arc::new(Admission {
            log,
            decoder,
            settings,
            recent,
            inflight_bytes: Arc::default(),
            counters: Counters::default(),
        })
    }

    /// A permit for a request that begins to arrive.
    pub(super) fn room(&self) -> InflightPermit {
        InflightPermit::new(self.inflight_bytes.clone(), self.settings.inflight_bytes_max)
    }

    /// Takes an inflated body, which has its room. When this returns `Ok`, what the answer does not count is on disk.
    ///
    /// # Errors
    /// Why the request as a whole was not taken; nothing of it is stored.
    pub(super) async fn accept(
        self: &Arc<Self>,
        receiver: &str,
        (signal, encoding): (Signal, Encoding),
        body: Bytes,
        room: InflightPermit,
    ) -> Result<Arc<Answer>, Refusal> {
        let outcome = self.admit_whole(receiver, (signal, encoding), body, room).await;
        match &outcome {
            Ok(taken) => {
                self.counters.requests.fetch_add(1, Ordering::Relaxed);
                self.counters.items.fetch_add(taken.items, Ordering::Relaxed);
                self.counters.items_rejected.fetch_add(taken.answer.rejected, Ordering::Relaxed);
                self.counters.resends.fetch_add(u64::from(taken.resend), Ordering::Relaxed);
            }
            Err(_) => drop(self.counters.refused.fetch_add(1, Ordering::Relaxed)),
        }
        outcome.map(|taken| taken.answer)
    }

    /// Takes Spanwise's own telemetry: as any other, but not counted, so that it does not feed on itself.
    ///
    /// # Errors
    /// Why it was not taken; nothing of it is stored.
    pub async fn accept_own(
        self: &Arc<Self>,
        receiver: &str,
        signal: Signal,
        encoding: Encoding,
        body: Bytes,
    ) -> Result<(), Refusal> {
        let mut room = self.room();
        room.take(body.len())?;
        self.admit_whole(receiver, (signal, encoding), body, room).await.map(drop)
    }

    /// Puts what was derived of all that came in into the log, for exporters. It becomes no rows: nothing is derived of it.
    ///
    /// # Errors
    /// Why it was not taken; nothing of it is stored.
    pub async fn accept_derived(&self, signal: Signal, body: Bytes) -> Result<(), Refusal> {
        let received_unix_nano = unix_nano(SystemTime::now());
        let frame = Frame {
            receiver: self_telemetry::DERIVED.to_owned(),
            signal,
            encoding: Encoding::Protobuf,
            received_unix_nano,
            decoder_version: DECODER_VERSION,
            digest: digest(signal, &body),
            rejected: Vec::new(),
            payload: body,
        };
        let no_rows = Decoded { received_unix_nano, ..Decoded::default() };
        self.log.append(frame.header(), frame.payload, Arc::new(no_rows)).await.map(drop).map_err(refusal)
    }

    /// Notes a request that the log holds already, at the start.
    pub fn remember(&self, frame: &Frame, rejected: Rejected) {
        if self.knows_resends(frame.signal) {
            self.recent.remember(frame.digest, frame.received_unix_nano, Arc::new(rejected.into()));
        }
    }

    /// Bytes of the requests that are under way.
    #[cfg(test)]
    pub(super) fn inflight_bytes(&self) -> usize {
        self.inflight_bytes.load(Ordering::Relaxed)
    }

    /// What a request of this digest was answered, where it is known.
    #[cfg(test)]
    pub(crate) fn known(&self, digest: u128) -> Option<Arc<Answer>> {
        match self.recent.look(digest, unix_nano(SystemTime::now())) {
            Seen::Stored(answer) => Some(answer),
            Seen::New(_) | Seen::Pending(_) => None,
        }
    }

    /// How long requests are known again.
    #[must_use]
    pub fn dedup_window(&self) -> Duration {
        self.settings.dedup_window
    }

    /// What came in.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Admits a request to its end, also where its sender goes away meanwhile: what is on its way to the disk gets
    /// there, so that its digest must be kept and its room be taken until then.
    async fn admit_whole(
        self: &Arc<Self>,
        receiver: &str,
        (signal, encoding): (Signal, Encoding),
        body: Bytes,
        room: InflightPermit,
    ) -> Result<Taken, Refusal> {
        let (door, receiver) = (self.clone(), receiver.to_owned());
        let admitting = tokio::spawn(async move { door.admit(room, receiver, signal, encoding, body).await });
        admitting.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not taken to its end");
            Err(Refusal::Busy { retry_after: RETRY_AFTER, reason: "the request could not be taken".to_owned() })
        })
    }

    async fn admit(
        &self,
        mut room: InflightPermit,
        receiver: String,
        signal: Signal,
        encoding: Encoding,
        body: Bytes,
    ) -> Result<Taken, Refusal> {
        let received_unix_nano = unix_nano(SystemTime::now());
        let digest = digest(signal, &body);
        let claim = if self.knows_resends(signal) {
            match self.claim(digest, received_unix_nano).await {
                Ok(claim) => Some(claim),
                Err(answer) => return Ok(Taken { items: 0, answer, resend: true }),
            }
        } else {
            None
        };
        // Half of all room at most, or a large request would wait until no other is under way.
        let footprint = Decoder::footprint(signal, encoding, &body).min(self.settings.inflight_bytes_max / 2);
        room.take(footprint)?;
        let decoded = self.decode(signal, encoding, &body, received_unix_nano)?;
        room.give_back(footprint);
        // A small body can be large in memory, where each row repeats its resource.
        room.grow(decoded.memory_bytes());
        let answer = Arc::new(Answer::from(decoded.rejected.clone()));
        let items = decoded.items;
        if items > 0 {
            let frame = Frame {
                receiver,
                signal,
                encoding,
                received_unix_nano,
                decoder_version: DECODER_VERSION,
                digest,
                rejected: decoded.rejected.items.clone(),
                payload: body,
            };
            let header = frame.header();
            self.log.append(header, frame.payload, Arc::new(decoded)).await.map_err(refusal)?;
        }
        if let Some(claim) = claim {
            claim.stored(received_unix_nano, answer.clone());
        }
        Ok(Taken { items, answer, resend: false })
    }

    fn knows_resends(&self, signal: Signal) -> bool {
        signal != Signal::Logs || self.settings.dedup_logs
    }

    /// The claim on a new digest, or the answer that its twin got.
    async fn claim(&self, digest: u128, now_unix_nano: i64) -> Result<Claim, Arc<Answer>> {
        loop {
            match self.recent.look(digest, now_unix_nano) {
                Seen::New(claim) => return Ok(claim),
                Seen::Stored(answer) => return Err(answer),
                // The channel carries no value: it closes when the twin is done, for good or ill.
                Seen::Pending(mut done) => while done.changed().await.is_ok() {},
            }
        }
    }

    fn decode(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &Bytes,
        received_unix_nano: i64,
    ) -> Result<Decoded, Refusal> {
        let decode = || self.decoder.decode(signal, encoding, body, received_unix_nano);
        let on_workers =
            tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
        let decoded =
            if body.len() >= BIG_BODY_BYTES && on_workers { tokio::task::block_in_place(decode) } else { decode() };
        decoded.map_err(|error| Refusal::Invalid(error.to_string()))
    }
}

fn refusal(error: AppendError) -> Refusal {
    Refusal::Busy { retry_after: RETRY_AFTER, reason: error.to_string() }
}

/// Nanoseconds since the Unix epoch.
fn unix_nano(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
