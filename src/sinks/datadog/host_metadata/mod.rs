//! Metadata of hosts, which Datadog's infrastructure list shows: of the host that this process runs on, and of those that
//! resources tell of. Each is told when something of it is new, and all of them once a period.
//!
//! It is a report and no telemetry: nothing waits for it, and what is not taken is told again with what is known then.

mod hosts;
mod own;
mod payload;
mod settings;

#[cfg(test)]
mod tests;

pub use hosts::{Hosts, Seen};
pub use payload::Metadata;
pub use settings::HostMetadataSettings;

use crate::model::signal::Signal;
use crate::sinks::attributes::Attributes;
use crate::sinks::delivery::{Backoff, Outcome, Payload, Target};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

/// Path of the intake, below the address of the API.
pub(super) const METADATA: &str = "/intake";

/// Tells Datadog of hosts.
pub(super) struct Reporter {
    /// The exporter's id.
    sink: String,
    settings: HostMetadataSettings,
    /// The own host's name, unless a resource says it.
    hostname: String,
    known: Mutex<Known>,
    /// There is something to be sent.
    changed: Notify,
    /// What is wrong with a resource, and what is refused, is told once.
    told_fault: AtomicBool,
    told_refusal: AtomicBool,
}

#[derive(Default)]
struct Known {
    hosts: Hosts,
    /// The host that this process runs on, once it has its name.
    own: Option<Metadata>,
    /// What is to be sent, by host.
    due: BTreeMap<String, Metadata>,
}

impl Known {
    fn set_own(&mut self, own: Metadata) {
        if !own.hostname().is_empty() {
            self.due.insert(own.hostname().to_owned(), own.clone());
            self.hosts.set(own.clone());
            self.own = Some(own);
        }
    }
}

impl Reporter {
    pub(super) fn new(sink: &str, settings: &HostMetadataSettings, hostname: &str) -> Reporter {
        Reporter {
            sink: sink.to_owned(),
            settings: settings.clone(),
            hostname: hostname.to_owned(),
            known: Mutex::default(),
            changed: Notify::new(),
            told_fault: AtomicBool::new(false),
            told_refusal: AtomicBool::new(false),
        }
    }

    /// Learns what a request tells of hosts. One that is seen again tells nothing new.
    pub(super) fn see(&self, signal: Signal, request: &[u8]) {
        if !self.settings.enabled {
            return;
        }
        let mut known = self.known();
        if self.settings.from_first_resource && known.own.is_none() {
            let first = hosts::first_resource(request).unwrap_or_default();
            known.set_own(self.own(Some(&Attributes::of(&first.attributes))));
        }
        let Seen { changed, faults } = known.hosts.see(signal, request);
        known.due.extend(changed.into_iter().map(|host| (host.hostname().to_owned(), host)));
        if !known.due.is_empty() {
            self.changed.notify_one();
        }
        drop(known);
        if let Some(fault) = faults.first()
            && !self.told_fault.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                sink = self.sink,
                fault,
                "a resource tells of its host what cannot be read; the rest of it is told (said once)"
            );
        }
    }

    /// Sends what there is to tell, for ever; by `intake`, which knows the way.
    pub(super) async fn run(&self, intake: &dyn Target) {
        if !self.settings.enabled {
            return;
        }
        if !self.settings.from_first_resource {
            let own = self.own(None);
            self.known().set_own(own);
        }
        let period = self.settings.reporter_period;
        let mut periods = tokio::time::interval_at(Instant::now() + period, period);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = None;
        loop {
            let wait = self.send_due(intake, &mut failing).await;
            tokio::select! {
                _ = periods.tick() => self.tell_all(),
                () = self.changed.notified(), if wait.is_none() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// All that is known is to be sent. A host that is not heard of again is not told of in the next period.
    fn tell_all(&self) {
        let mut known = self.known();
        let all: Vec<Metadata> = known.hosts.take().collect();
        let own = known.own.clone();
        known.due.extend(all.into_iter().map(|host| (host.hostname().to_owned(), host)));
        own.into_iter().for_each(|own| known.hosts.set(own));
    }

    /// Sends what is due; how long to wait where that has to be tried again.
    async fn send_due(&self, intake: &dyn Target, failing: &mut Option<Backoff>) -> Option<Duration> {
        while let Some((host, metadata)) = self.next_due() {
            match intake.send(&payload(&metadata)).await {
                Outcome::Retry { after, reason } => {
                    if failing.is_none() {
                        tracing::warn!(
                            sink = self.sink,
                            host,
                            reason,
                            "metadata of hosts cannot be sent; it is tried again, and telemetry does not wait for it"
                        );
                    }
                    let backoff = failing.get_or_insert_with(|| Backoff::new(&self.settings.retry));
                    if let Some(wait) = backoff.next(after) {
                        // What has become known meanwhile goes before.
                        self.known().due.entry(host).or_insert(metadata);
                        return Some(wait);
                    }
                }
                Outcome::TooLarge(reason) | Outcome::Malformed(reason) | Outcome::Refused(reason) => {
                    if !self.told_refusal.swap(true, Ordering::Relaxed) {
                        tracing::warn!(sink = self.sink, host, reason, "metadata of a host is refused (said once)");
                    }
                }
                Outcome::Delivered { .. } | Outcome::InPart { .. } => {
                    if failing.take().is_some() {
                        tracing::info!(sink = self.sink, "metadata of hosts is taken again");
                    }
                }
            }
        }
        None
    }

    fn next_due(&self) -> Option<(String, Metadata)> {
        self.known().due.pop_first()
    }

    fn own(&self, first: Option<&Attributes<'_>>) -> Metadata {
        own::metadata(&self.hostname, &self.settings.tags, first)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host's metadata as a request; it stands for no items.
fn payload(metadata: &Metadata) -> Payload {
    let body = serde_json::to_vec(metadata).unwrap_or_default().into();
    Payload { signal: Signal::Metrics, route: METADATA, items: 0, body }
}
