//! What a start reads from the log while requests already arrive: the digests of recent requests, to detect resends, and
//! rows for the hot tables, newest first, as many as fit in memory.

use super::frames::{FrameLog, decode, report_undecodable};
use crate::ingest::Admission;
use crate::ingest::decode::Decoder;
use crate::log::{BEGINNING, Head, Heads, SegmentView};
use crate::model::frame::FrameHead;
use crate::model::frame::Position;
use crate::model::unix_time;
use crate::store::HotStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

const _: () = assert!(BEGINNING >= FrameHead::BYTES, "the log keeps what a frame's head is read from");

/// Number of frames after which their rows are packed, so that more of them fit.
const PACK_EVERY: u64 = 64;
/// Interval of progress messages.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// State of the replay at one start.
pub(super) struct Replay {
    log: FrameLog,
    store: Arc<HotStore>,
    admission: Arc<Admission>,
    /// The newest frame written by an earlier process.
    newest: Position,
    frames: AtomicU64,
    damaged: AtomicU64,
}

impl Replay {
    /// Prepares the replay of everything in the log. The hot tables start after it, and new requests wait until the digests
    /// before it are loaded.
    pub(super) fn begin(log: &FrameLog, store: &Arc<HotStore>, admission: &Arc<Admission>) -> Arc<Replay> {
        admission.begin_recall();
        store.begin_filling(log.newest(), unix_time::nanos(SystemTime::now()).cast_signed());
        Arc::new(Replay {
            log: log.clone(),
            store: store.clone(),
            admission: admission.clone(),
            newest: log.newest(),
            frames: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        })
    }

    /// Loads the digests of requests within the deduplication window from the heads of their frames. Blocking.
    pub(super) fn recall(&self) {
        let _whatever_happens = Recalled(&self.admission);
        let since = SystemTime::now().checked_sub(self.admission.dedup_window()).unwrap_or(UNIX_EPOCH);
        let mut after = self.log.before_time(since);
        while after < self.newest {
            let next = Position(after.0 + 1);
            let Some(segment) = self.log.segment_holding(next) else { break };
            for head in self.heads(&segment).iter().flat_map(|heads| &heads.all) {
                if head.position > self.newest {
                    break;
                }
                match FrameHead::read(head.beginning()) {
                    Ok(known) if known.received_unix_nano < unix_time::nanos(since).cast_signed() => {}
                    Ok(known) => self.admission.recall(head.position, &known),
                    // The reader of the whole frame reports this as an error.
                    Err(error) => {
                        tracing::debug!(position = head.position.0, %error, "the head of a frame cannot be read");
                    }
                }
            }
            after = segment.last().max(next);
        }
    }

    /// Fills the hot tables with the rows of frames of an earlier process, newest first, as many as fit. New rows are
    /// already in the tables, so neither they nor the engine wait for this. Blocking.
    pub(super) fn fill(&self, decoder: &Decoder, cancel: &CancellationToken) {
        let began = Instant::now();
        let mut reported = began;
        let mut segment = self.segment_before(Position(self.newest.0.saturating_add(1)));
        while let Some((view, heads)) = segment {
            let earlier = self.segment_before(view.first());
            let before = match &earlier {
                Some((_, heads)) => heads.all.iter().filter_map(received).max().or(Some(0)),
                None => (view.first() > Position(1)).then_some(0),
            };
            for (head, older) in with_older(&heads.all, before).into_iter().rev() {
                if cancel.is_cancelled() {
                    return;
                }
                if head.position <= self.newest && !self.take(decoder, &heads, head, older) {
                    return self.end(began);
                }
                if reported.elapsed() >= REPORT_EVERY {
                    reported = Instant::now();
                    tracing::info!(frames = self.frames.load(Ordering::Relaxed), "reading the log back");
                }
            }
            segment = earlier;
        }
        self.end(began);
    }

    /// Prepends the rows of a frame to the hot tables; returns false if there is no room for them.
    fn take(&self, decoder: &Decoder, heads: &Heads, head: &Head, older_unix_nano: Option<i64>) -> bool {
        let decoded = match heads.read(head) {
            Ok(Some(body)) => decode(decoder, body),
            Ok(None) => Err(anyhow::anyhow!("it is damaged")),
            Err(error) => Err(error.into()),
        };
        let (frames, taken) = match decoded {
            Ok(decoded) => {
                let mut is_taken = self.store.prepend(head.position, &decoded, older_unix_nano);
                if !is_taken {
                    // Packed rows leave room for more.
                    self.store.pack(self.newest);
                    is_taken = self.store.prepend(head.position, &decoded, older_unix_nano);
                }
                (&self.frames, is_taken)
            }
            Err(error) => {
                report_undecodable(head.position, &error);
                (&self.damaged, true)
            }
        };
        if frames.fetch_add(u64::from(taken), Ordering::Relaxed) % PACK_EVERY == PACK_EVERY - 1 {
            self.store.pack(self.newest);
        }
        taken
    }

    fn end(&self, began: Instant) {
        self.store.end_filling();
        let (frames, damaged) = (self.frames.load(Ordering::Relaxed), self.damaged.load(Ordering::Relaxed));
        if frames > 0 || damaged > 0 {
            tracing::info!(frames, damaged, milliseconds = began.elapsed().as_millis(), "read the log back");
        }
    }

    /// Returns a progress message, or `None` if the replay is complete.
    pub(super) fn progress(&self) -> Option<String> {
        let frames = self.frames.load(Ordering::Relaxed);
        let telling = || format!("reading the log back into the tables of received rows: {frames} frames so far");
        self.store.is_filling().then(telling)
    }

    /// Returns the segment that ends before a position, with its frames; `None` at the start of the log.
    fn segment_before(&self, position: Position) -> Option<(SegmentView, Heads)> {
        let last = Position(position.0.checked_sub(1)?);
        let segment = self.log.segment_holding(last).filter(|segment| segment.first() <= last)?;
        let heads = self.heads(&segment)?;
        Some((segment, heads))
    }

    /// Returns the frames of a segment. An unreadable segment is treated as missing.
    fn heads(&self, segment: &SegmentView) -> Option<Heads> {
        segment.heads().unwrap_or_else(|error| {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "skipped a segment of the log that cannot be read");
            None
        })
    }
}

/// On drop, lets the requests proceed that wait for the digests.
struct Recalled<'a>(&'a Admission);

impl Drop for Recalled<'_> {
    fn drop(&mut self) {
        self.0.recalled();
    }
}

/// Pairs each frame with the receive time of the newest frame before it; `before` is that of the first one.
fn with_older(heads: &[Head], before: Option<i64>) -> Vec<(&Head, Option<i64>)> {
    let older = heads.iter().scan(before, |newest, head| {
        let older = *newest;
        *newest = (*newest).max(Some(received(head).unwrap_or(0)));
        Some((head, older))
    });
    older.collect()
}

fn received(head: &Head) -> Option<i64> {
    FrameHead::read(head.beginning()).ok().map(|head| head.received_unix_nano)
}

#[cfg(test)]
mod tests;
