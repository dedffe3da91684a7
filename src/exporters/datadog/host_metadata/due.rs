//! What is to be sent: of each host the newest, and not before its time.

use super::hosts::{BYTES_MAX, HOSTS_MAX};
use super::payload::Metadata;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Hosts that are to be told of.
#[derive(Debug, Default)]
pub(super) struct Due {
    waiting: BTreeMap<String, Metadata>,
    /// How many bytes they take together.
    bytes: usize,
    /// When each host was told of, as long as that holds it up.
    told: BTreeMap<String, Instant>,
}

impl Due {
    /// Takes a host in; what was to be told of it before is not any more. Whether there was room for it.
    pub(super) fn put(&mut self, host: Metadata) -> bool {
        drop(self.take(host.hostname()));
        let has_room = self.waiting.len() < HOSTS_MAX && self.bytes + host.bytes() <= BYTES_MAX;
        if has_room {
            self.bytes += host.bytes();
            self.waiting.insert(host.hostname().to_owned(), host);
        }
        has_room
    }

    /// Takes back a host that could not be told of, unless something newer has become known meanwhile.
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

    /// Notes that a host was told of.
    pub(super) fn note(&mut self, host: &str, now: Instant) {
        self.told.insert(host.to_owned(), now);
    }

    /// Hosts that may be told of now: a host is so once in this time.
    pub(super) fn ready(&mut self, apart: Duration, now: Instant) -> Vec<String> {
        self.told.retain(|_, told| *told + apart > now);
        self.waiting.keys().filter(|host| !self.told.contains_key(*host)).cloned().collect()
    }

    /// When the next host may be told of, from now.
    pub(super) fn wait(&self, apart: Duration, now: Instant) -> Option<Duration> {
        let wait =
            |host| self.told.get(host).map_or(Duration::ZERO, |told| (*told + apart).saturating_duration_since(now));
        self.waiting.keys().map(wait).min()
    }
}
