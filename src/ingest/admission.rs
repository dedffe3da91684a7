//! Admission: checks limits, detects resends, decodes once, writes to disk, then acknowledges.

use super::attached::{Attached, Attachments};
use super::decode::Decoder;
use super::dedup_cache::{Claim, DedupCache, Seen, Stored};
use super::inflight::InflightPermit;
use super::refusal::{RETRY_AFTER, Refusal};
use crate::log::{AppendError, Log};
use crate::model::decoded::{Answer, Decoded};
use crate::model::frame::Position;
use crate::model::frame::{Frame, FrameHead, digest};
use crate::model::self_telemetry;
use crate::model::signal::{Encoding, Signal};
use crate::model::unix_time;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Bodies of at least this size are decoded with `block_in_place`, so that small requests do not wait for them.
const BIG_BODY_BYTES: usize = 64 << 10;

/// Limits of admission.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Limit on the bytes of all requests in flight: as received, inflated, and then as rows. A quarter of it is for rows on
    /// their way to the hot tables.
    pub inflight_bytes_max: usize,
    /// Time that a digest is kept.
    pub dedup_window: Duration,
    /// Maximum number of digests kept.
    pub dedup_entries_max: usize,
    /// Limit on the memory of digests with their answers.
    pub dedup_bytes_max: usize,
    /// Whether identical log requests are treated as resends, too: identical logs can be legitimate.
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

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests acknowledged, including resends.
    pub requests: AtomicU64,
    /// Items acknowledged and stored.
    pub items: AtomicU64,
    /// Items rejected from accepted requests.
    pub items_rejected: AtomicU64,
    /// Requests detected as resends.
    pub resends: AtomicU64,
    /// Requests rejected as a whole.
    pub refused: AtomicU64,
}

/// Outcome of an accepted request.
struct Taken {
    items: u64,
    answer: Arc<Answer>,
    resend: bool,
}

/// The entry point shared by all receivers.
pub struct Admission {
    log: Log<Attached>,
    decoder: Arc<Decoder>,
    settings: IngestSettings,
    recent: Arc<DedupCache>,
    inflight_bytes: Arc<AtomicUsize>,
    attachments: Attachments,
    counters: Counters,
}

impl Admission {
    /// Creates the entry point in front of `log`.
    #[must_use]
    pub fn new(log: Log<Attached>, decoder: Arc<Decoder>, settings: IngestSettings) -> Arc<Admission> {
        let recent = DedupCache::new(settings.dedup_window, settings.dedup_entries_max, settings.dedup_bytes_max);
        let attachments = Attachments::new(settings.inflight_bytes_max);
        Arc::new(Admission {
            log,
            decoder,
            settings,
            recent,
            inflight_bytes: Arc::default(),
            attachments,
            counters: Counters::default(),
        })
    }

    /// Returns an empty permit for a request that starts to arrive.
    pub(super) fn room(&self) -> InflightPermit {
        InflightPermit::new(self.inflight_bytes.clone(), self.settings.inflight_bytes_max)
    }

    /// Accepts an inflated body that already has its permit. When this returns `Ok`, all items but the rejected ones are on
    /// disk.
    ///
    /// # Errors
    /// Returns the reason why the whole request was rejected; nothing of it is stored.
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

    /// Accepts Spanwise's own telemetry like any other, but without counting it, so that it does not feed on itself.
    ///
    /// # Errors
    /// Returns the reason why it was rejected; nothing of it is stored.
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

    /// Appends derived telemetry to the log for exporters. It produces no rows, so nothing is derived from it.
    ///
    /// # Errors
    /// Returns the reason why it was rejected; nothing of it is stored.
    pub async fn accept_derived(&self, signal: Signal, body: Bytes) -> Result<(), Refusal> {
        let received_unix_nano = unix_time::nanos(SystemTime::now()).cast_signed();
        let frame = Frame {
            receiver: self_telemetry::DERIVED.to_owned(),
            signal,
            encoding: Encoding::Protobuf,
            received_unix_nano,
            digest: digest(signal, &body),
            rejected: Vec::new(),
            payload: body,
        };
        let no_rows = Decoded { received_unix_nano, ..Decoded::default() };
        let attached = self.attachments.attach(no_rows, self.room());
        self.log.append(frame.header(), frame.payload, attached).await.map(drop).map_err(refusal)
    }

    /// Makes new requests wait until [`Admission::recalled`]: only the log knows which of them are resends.
    pub fn begin_recall(&self) {
        self.recent.set_recalled(false);
    }

    /// Records a request that the log already contains.
    pub fn recall(&self, position: Position, head: &FrameHead) {
        if self.knows_resends(head.signal) {
            let stored = match head.rejected {
                0 => Stored::Answer(Arc::default()),
                rejected => Stored::InLog(position, rejected),
            };
            self.recent.remember(head.digest, head.received_unix_nano, stored);
        }
    }

    /// Ends the wait: all requests in the log are recorded.
    pub fn recalled(&self) {
        self.recent.set_recalled(true);
    }

    /// Returns the bytes of the requests in flight.
    #[must_use]
    pub fn inflight_bytes(&self) -> usize {
        self.inflight_bytes.load(Ordering::Relaxed)
    }

    /// Returns the answer that a request with this digest got, if known.
    #[cfg(test)]
    pub(crate) fn known(&self, digest: u128) -> Option<Arc<Answer>> {
        match self.recent.look(digest, unix_time::nanos(SystemTime::now()).cast_signed()) {
            Seen::Stored(stored) => Some(answer(&self.log, &self.decoder, stored)),
            Seen::New(_) | Seen::Pending(_) => None,
        }
    }

    /// Returns the memory in bytes of the deduplication cache.
    #[must_use]
    pub fn resends_bytes(&self) -> usize {
        self.recent.bytes()
    }

    /// Returns the time for which resends are detected.
    #[must_use]
    pub fn dedup_window(&self) -> Duration {
        self.settings.dedup_window
    }

    /// Returns the counters of received requests.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Admits a request to completion, even if its sender disconnects: its frame is written anyway, so its digest must be
    /// kept and its permit held until then.
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
            tracing::error!(%error, "the task of a request failed");
            Err(Refusal::Busy { retry_after: RETRY_AFTER, reason: "the request could not be processed".to_owned() })
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
        let received_unix_nano = unix_time::nanos(SystemTime::now()).cast_signed();
        let digest = digest(signal, &body);
        let claim = if self.knows_resends(signal) {
            match self.claim(digest, received_unix_nano).await {
                Ok(claim) => Some(claim),
                Err(stored) => return Ok(Taken { items: 0, answer: self.answer(stored).await, resend: true }),
            }
        } else {
            None
        };
        // At most half of the limit; otherwise a large request would wait until no other is in flight.
        let footprint = Decoder::footprint(signal, encoding, &body).min(self.settings.inflight_bytes_max / 2);
        room.take(footprint)?;
        let decoded = self.decode(signal, encoding, &body, received_unix_nano)?;
        room.give_back(footprint);
        // A small body can be large in memory, because each row repeats its resource.
        let rows_bytes = decoded.memory_bytes();
        room.grow(rows_bytes);
        let answer = Arc::new(Answer::from(decoded.rejected.clone()));
        let items = decoded.items;
        if items > 0 {
            let frame = Frame {
                receiver,
                signal,
                encoding,
                received_unix_nano,
                digest,
                rejected: decoded.rejected.items.clone(),
                payload: body,
            };
            let attached = self.attachments.attach(decoded, room.split(rows_bytes));
            let header = frame.header();
            self.log.append(header, frame.payload, attached).await.map_err(refusal)?;
        }
        if let Some(claim) = claim {
            claim.stored(received_unix_nano, answer.clone());
        }
        Ok(Taken { items, answer, resend: false })
    }

    fn knows_resends(&self, signal: Signal) -> bool {
        signal != Signal::Logs || self.settings.dedup_logs
    }

    /// Returns a claim on a new digest, or the answer to the identical request.
    async fn claim(&self, digest: u128, now_unix_nano: i64) -> Result<Claim, Stored> {
        self.recent.all_recalled().await;
        loop {
            match self.recent.look(digest, now_unix_nano) {
                Seen::New(claim) => return Ok(claim),
                Seen::Stored(stored) => return Err(stored),
                // The channel carries no value: it closes when the identical request ends, whether it succeeded or failed.
                Seen::Pending(mut done) => while done.changed().await.is_ok() {},
            }
        }
    }

    /// Returns the answer to a stored request, rebuilt from the log if an earlier process gave it.
    async fn answer(&self, stored: Stored) -> Arc<Answer> {
        if let Stored::Answer(answer) = stored {
            return answer;
        }
        let (log, decoder) = (self.log.clone(), self.decoder.clone());
        let reading = tokio::task::spawn_blocking(move || answer(&log, &decoder, stored));
        reading.await.unwrap_or_default()
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

/// Returns the answer to a stored request. Blocking.
fn answer(log: &Log<Attached>, decoder: &Decoder, stored: Stored) -> Arc<Answer> {
    let (position, rejected) = match stored {
        Stored::Answer(answer) => return answer,
        Stored::InLog(position, rejected) => (position, rejected),
    };
    let again = || {
        let heads = log.segment_holding(position)?.heads().ok()??;
        let head = heads.all.iter().find(|head| head.position == position)?;
        let frame = Frame::read(heads.read(head).ok()??).ok()?;
        let decoded = decoder.decode(frame.signal, frame.encoding, &frame.payload, frame.received_unix_nano).ok()?;
        Some(Answer::from(decoded.rejected))
    };
    let of_count = || Answer { rejected: rejected.into(), message: "see the response to the first request".to_owned() };
    Arc::new(again().unwrap_or_else(of_count))
}

fn refusal(error: AppendError) -> Refusal {
    Refusal::Busy { retry_after: RETRY_AFTER, reason: error.to_string() }
}
