//! Digests of recent requests. OTLP has no request id: a sender that got no answer retries, and an equal digest shows that
//! the bytes are not new data.

use crate::model::decoded::Answer;
use crate::model::frame::Position;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is known about a digest.
pub(super) enum Seen {
    /// Nothing: the caller proceeds and reports the outcome through the claim.
    New(Claim),
    /// The request is stored.
    Stored(Stored),
    /// An identical request is in flight: wait, then look again.
    Pending(watch::Receiver<()>),
}

/// The answer to a stored request.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    /// The answer itself.
    Answer(Arc<Answer>),
    /// Number of items rejected by an earlier process; the reasons have to be decoded from the frame.
    InLog(Position, u32),
}

/// Memory of a digest without the message of its answer. It is stored twice, in tables that grow.
const ENTRY_BYTES: usize = 128;

/// The digests of a time window, limited in number and memory.
pub(super) struct DedupCache {
    window: Duration,
    entries_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
    /// Whether the digests of an earlier process are loaded. Until then no digest counts as new.
    recalled: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    by_digest: HashMap<u128, Entry>,
    /// Stored digests with their receive times, oldest first.
    order: VecDeque<(i64, u128)>,
    bytes: usize,
}

enum Entry {
    Pending(watch::Receiver<()>),
    Stored(Stored),
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Entry::Pending(_) => 0,
            Entry::Stored(Stored::Answer(answer)) => ENTRY_BYTES + answer.message.len(),
            Entry::Stored(Stored::InLog(..)) => ENTRY_BYTES,
        }
    }
}

impl DedupCache {
    pub(super) fn new(window: Duration, entries_max: usize, bytes_max: usize) -> Arc<DedupCache> {
        Arc::new(DedupCache {
            window,
            entries_max,
            bytes_max,
            state: Mutex::default(),
            recalled: watch::Sender::new(true),
        })
    }

    /// Sets whether digests are loaded. [`DedupCache::all_recalled`] waits until this is called with `true`.
    pub(super) fn set_recalled(&self, recalled: bool) {
        self.recalled.send_replace(recalled);
    }

    /// Waits until the digests of an earlier process are loaded.
    pub(super) async fn all_recalled(&self) {
        // It cannot fail: the sender lives as long as `self`.
        let mut recalled = self.recalled.subscribe();
        let _known = recalled.wait_for(|recalled| *recalled).await;
    }

    pub(super) fn look(self: &Arc<Self>, digest: u128, now_unix_nano: i64) -> Seen {
        let mut state = self.state();
        self.forget_old(&mut state, now_unix_nano);
        match state.by_digest.get(&digest) {
            Some(Entry::Stored(stored)) => Seen::Stored(stored.clone()),
            Some(Entry::Pending(done)) => Seen::Pending(done.clone()),
            None => {
                let (done, waiting) = watch::channel(());
                state.by_digest.insert(digest, Entry::Pending(waiting));
                Seen::New(Claim { recent: self.clone(), digest, _done: done })
            }
        }
    }

    /// Returns its memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Records a stored request.
    pub(super) fn remember(&self, digest: u128, received_unix_nano: i64, stored: Stored) {
        let mut state = self.state();
        let entry = Entry::Stored(stored);
        state.bytes += entry.bytes();
        if let Some(before) = state.by_digest.insert(digest, entry) {
            state.bytes -= before.bytes();
        }
        state.order.push_back((received_unix_nano, digest));
        self.forget_old(&mut state, received_unix_nano);
    }

    fn forget_old(&self, state: &mut State, now_unix_nano: i64) {
        let window = i64::try_from(self.window.as_nanos()).unwrap_or(i64::MAX);
        while let Some((received, digest)) = state.order.front().copied() {
            let fits = state.order.len() <= self.entries_max && state.bytes <= self.bytes_max;
            if fits && now_unix_nano.saturating_sub(received) <= window {
                break;
            }
            state.order.pop_front();
            if let Some(entry) = state.by_digest.remove(&digest) {
                state.bytes -= entry.bytes();
            }
        }
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The right to store a digest. If it is dropped without [`Claim::stored`], the digest is free again; waiting requests are
/// woken either way.
pub(super) struct Claim {
    recent: Arc<DedupCache>,
    digest: u128,
    _done: watch::Sender<()>,
}

impl Claim {
    pub(super) fn stored(self, received_unix_nano: i64, answer: Arc<Answer>) {
        self.recent.remember(self.digest, received_unix_nano, Stored::Answer(answer));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.recent.state();
        if matches!(state.by_digest.get(&self.digest), Some(Entry::Pending(_))) {
            state.by_digest.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_new(seen: &Seen) -> bool {
        matches!(seen, Seen::New(_))
    }

    #[test]
    fn a_stored_request_is_known_until_its_window_ends() {
        let recent = DedupCache::new(Duration::from_nanos(10), 100, 1 << 20);
        let Seen::New(claim) = recent.look(1, 0) else { panic!("new") };
        claim.stored(0, Arc::default());
        assert!(matches!(recent.look(1, 10), Seen::Stored(_)));
        assert!(is_new(&recent.look(1, 11)));
    }

    #[test]
    fn a_request_that_failed_is_new_again() {
        let recent = DedupCache::new(Duration::from_secs(1), 100, 1 << 20);
        drop(recent.look(1, 0));
        assert!(is_new(&recent.look(1, 0)));
    }

    #[tokio::test]
    async fn a_twin_waits_for_the_verdict() {
        let recent = DedupCache::new(Duration::from_secs(1), 100, 1 << 20);
        let Seen::New(claim) = recent.look(1, 0) else { panic!("new") };
        let Seen::Pending(mut done) = recent.look(1, 0) else { panic!("pending") };
        claim.stored(0, Arc::default());
        assert!(done.changed().await.is_err(), "the claim is gone");
        assert!(matches!(recent.look(1, 0), Seen::Stored(_)));
    }

    #[test]
    fn the_number_of_digests_is_bounded() {
        let recent = DedupCache::new(Duration::from_secs(1), 2, 1 << 20);
        for digest in 1..=3 {
            recent.remember(digest, 0, Stored::Answer(Arc::default()));
        }
        assert!(is_new(&recent.look(1, 0)));
        assert!(matches!(recent.look(3, 0), Seen::Stored(_)));
    }

    #[test]
    fn the_memory_is_bounded_also_where_one_is_remembered_twice() {
        let answer = Arc::new(Answer { rejected: 1, message: "x".repeat(1000) });
        let recent = DedupCache::new(Duration::from_secs(1), 100, 3 * (1000 + ENTRY_BYTES));
        for digest in [1, 1, 2, 3, 4] {
            recent.remember(digest, 0, Stored::Answer(answer.clone()));
        }
        assert!(is_new(&recent.look(1, 0)));
        for digest in 2..=4 {
            assert!(matches!(recent.look(digest, 0), Seen::Stored(_)), "{digest}");
        }
    }
}
