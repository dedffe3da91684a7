//! Pending host metadata: the newest of each host, not sent before its time.

use super::hosts::{BYTES_MAX, HOSTS_MAX};
use super::payload::Metadata;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Hosts to send.
#[derive(Debug, Default)]
pub(super) struct Due {
    waiting: BTreeMap<String, Metadata>,
    /// Their total size in bytes.
    bytes: usize,
    /// When each host was last sent, as long as that delays it.
    told: BTreeMap<String, Instant>,
}

impl Due {
    /// Queues a host, replacing its pending metadata. Returns true if there was room.
    pub(super) fn put(&mut self, host: Metadata) -> bool {
        drop(self.take(host.hostname()));
        let has_room = self.waiting.len() < HOSTS_MAX && self.bytes + host.bytes() <= BYTES_MAX;
        if has_room {
            self.bytes += host.bytes();
            self.waiting.insert(host.hostname().to_owned(), host);
        }
        has_room
    }

    /// Queues a host again after a failed attempt, unless newer metadata is pending.
    pub(super) fn put_back(&mut self, host: Metadata) {
        if !self.waiting.contains_key(host.hostname()) {
            self.put(host);
        }
    }

    pub(super) fn take(&mut self, host: &str) -> Option<Metadata> {
        let taken = self.waiting.remove(host)?;
        self.bytes -= taken.bytes();
        Some(taken)
    }

    /// Records that a host was sent.
    pub(super) fn note(&mut self, host: &str, now: Instant) {
        self.told.insert(host.to_owned(), now);
    }

    /// Returns the hosts that may be sent now: each at most once in this interval.
    pub(super) fn ready(&mut self, apart: Duration, now: Instant) -> Vec<String> {
        self.told.retain(|_, told| *told + apart > now);
        self.waiting.keys().filter(|host| !self.told.contains_key(*host)).cloned().collect()
    }

    /// Returns how long until the next host may be sent.
    pub(super) fn wait(&self, apart: Duration, now: Instant) -> Option<Duration> {
        let wait =
            |host| self.told.get(host).map_or(Duration::ZERO, |told| (*told + apart).saturating_duration_since(now));
        self.waiting.keys().map(wait).min()
    }
}
