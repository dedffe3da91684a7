//! What a start reads back out of the log while requests come in already: the digests of recent requests, so that resends are
//! known, and rows for the hot tables, newest first, as many as fit in memory.

use super::frames::{FrameLog, decode, report_undecodable};
use crate::ingest::decode::Decoder;
use crate::ingest::{Admission, unix_nano};
use crate::log::{BEGINNING, Head, Heads, Position, SegmentView};
use crate::model::frame::FrameHead;
use crate::store::HotStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

const _: () = assert!(BEGINNING >= FrameHead::BYTES, "the log keeps what a frame's head is read from");

/// How often it is said how far this is.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What one start reads back.
pub(super) struct Replay {
    log: FrameLog,
    store: Arc<HotStore>,
    admission: Arc<Admission>,
    /// The newest frame that an earlier process wrote.
    newest: Position,
    frames: AtomicU64,
    damaged: AtomicU64,
}

impl Replay {
    /// Of all that the log holds now. The hot tables begin behind it, and requests wait until those before them are known.
    pub(super) fn begin(log: &FrameLog, store: &Arc<HotStore>, admission: &Arc<Admission>) -> Arc<Replay> {
        admission.begin_recall();
        store.begin_filling(log.newest(), unix_nano(SystemTime::now()));
        Arc::new(Replay {
            log: log.clone(),
            store: store.clone(),
            admission: admission.clone(),
            newest: log.newest(),
            frames: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        })
    }

    /// Makes requests known again as far back as resends are, by the heads of their frames. Blocking.
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
                    Ok(known) if known.received_unix_nano < unix_nano(since) => {}
                    Ok(known) => self.admission.recall(head.position, &known),
                    // The reader of the whole frame reports it as an error.
                    Err(error) => {
                        tracing::debug!(position = head.position.0, %error, "the head of a frame cannot be read");
                    }
                }
            }
            after = segment.last().max(next);
        }
    }

    /// Fills the hot tables with the rows of frames that an earlier process wrote, newest first, as many as fit. Those that
    /// come in meanwhile are there already, so that neither they nor the engine wait for this. Blocking.
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

    /// Puts the rows of a frame into the hot tables; false where there is no room for them.
    fn take(&self, decoder: &Decoder, heads: &Heads, head: &Head, older_unix_nano: Option<i64>) -> bool {
        let decoded = match heads.read(head) {
            Ok(Some(body)) => decode(decoder, body),
            Ok(None) => Err(anyhow::anyhow!("it is damaged")),
            Err(error) => Err(error.into()),
        };
        let (frames, taken) = match decoded {
            Ok(decoded) => (&self.frames, self.store.prepend(head.position, &decoded, older_unix_nano)),
            Err(error) => {
                report_undecodable(head.position, &error);
                (&self.damaged, true)
            }
        };
        frames.fetch_add(u64::from(taken), Ordering::Relaxed);
        taken
    }

    fn end(&self, began: Instant) {
        self.store.end_filling();
        let (frames, damaged) = (self.frames.load(Ordering::Relaxed), self.damaged.load(Ordering::Relaxed));
        if frames > 0 || damaged > 0 {
            tracing::info!(frames, damaged, milliseconds = began.elapsed().as_millis(), "read the log back");
        }
    }

    /// How far this is, for people; `None` where it is done.
    pub(super) fn progress(&self) -> Option<String> {
        let frames = self.frames.load(Ordering::Relaxed);
        let telling = || format!("reading the log back into the tables of received rows: {frames} frames so far");
        self.store.is_filling().then(telling)
    }

    /// The segment that ends before a position, and its frames; `None` at the beginning of the log.
    fn segment_before(&self, position: Position) -> Option<(SegmentView, Heads)> {
        let last = Position(position.0.checked_sub(1)?);
        let segment = self.log.segment_holding(last).filter(|segment| segment.first() <= last)?;
        let heads = self.heads(&segment)?;
        Some((segment, heads))
    }

    /// Frames of a segment. One that cannot be read is as one that is not there.
    fn heads(&self, segment: &SegmentView) -> Option<Heads> {
        segment.heads().unwrap_or_else(|error| {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "skipped a segment of the log that cannot be read");
            None
        })
    }
}

/// Lets requests in that wait for what was there before, when it is dropped.
struct Recalled<'a>(&'a Admission);

impl Drop for Recalled<'_> {
    fn drop(&mut self) {
        self.0.recalled();
    }
}

/// Frames with the time at which the newest of those before them was received; `before` is that of the first.
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
