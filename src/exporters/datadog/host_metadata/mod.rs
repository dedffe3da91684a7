//! Host metadata for Datadog's infrastructure list: the host that this process runs on, and hosts described by resources. A
//! host is sent when it changes, but at most once a minute, and all of them are sent once a period.
//!
//! It is a report, not telemetry: nothing waits for it, and what is not accepted is sent again later with the state of that
//! time.

mod due;
mod hosts;
mod local_host;
mod payload;
mod settings;
mod values;

#[cfg(test)]
mod tests;

pub use hosts::{Hosts, Seen};
pub use payload::Metadata;
pub use settings::HostMetadataSettings;

use crate::delivery::attributes::Attributes;
use crate::delivery::settings::RetrySettings;
use crate::delivery::{Backoff, Exporter, Outcome, Payload};
use crate::model::signal::Signal;
use due::Due;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

/// Path of the intake, below the address of the API.
pub(super) const METADATA: &str = "/intake";

/// Sends host metadata to Datadog.
pub(super) struct Reporter {
    /// The exporter's id.
    exporter: String,
    settings: HostMetadataSettings,
    /// Name of the local host, unless a resource sets it.
    hostname: String,
    known: Mutex<Known>,
    /// Signals that something is to be sent.
    changed: Notify,
    /// Faults of resources and rejections are logged once.
    told_fault: AtomicBool,
    told_refusal: AtomicBool,
}

#[derive(Default)]
struct Known {
    hosts: Hosts,
    /// The host that this process runs on, once its name is known.
    own: Option<Metadata>,
    due: Due,
}

impl Known {
    /// Sets the local host, if it has a name.
    fn set_own(&mut self, own: Metadata) -> bool {
        if own.hostname().is_empty() {
            return false;
        }
        self.due.put(own.clone());
        self.hosts.set(own.clone());
        self.own = Some(own);
        true
    }
}

impl Reporter {
    pub(super) fn new(exporter: &str, settings: &HostMetadataSettings, hostname: &str) -> Reporter {
        Reporter {
            exporter: exporter.to_owned(),
            settings: settings.clone(),
            hostname: hostname.to_owned(),
            known: Mutex::default(),
            changed: Notify::new(),
            told_fault: AtomicBool::new(false),
            told_refusal: AtomicBool::new(false),
        }
    }

    /// Learns hosts from a request. Seeing the same data again changes nothing.
    pub(super) fn see(&self, signal: Signal, request: &[u8]) {
        if !self.settings.enabled {
            return;
        }
        let mut guard = self.known();
        let known = &mut *guard;
        let mut is_new = false;
        if self.settings.from_first_resource && known.own.is_none() {
            let first = hosts::first_resource(request).unwrap_or_default();
            is_new |= known.set_own(self.own(Some(&Attributes::of(&first.attributes))));
        }
        // By name: a host that changes with every resource of a request is kept once.
        let mut changed = BTreeSet::new();
        let mut faults = known.hosts.see_each(signal, request, |host| {
            changed.insert(host.hostname().to_owned());
        });
        is_new |= !changed.is_empty();
        faults.extend(put_all(&mut known.due, changed.iter().filter_map(|host| known.hosts.get(host)).cloned()));
        drop(guard);
        if is_new {
            self.changed.notify_one();
        }
        self.tell_fault(faults.first().map(String::as_str));
    }

    fn tell_fault(&self, fault: Option<&str>) {
        if let Some(fault) = fault
            && !self.told_fault.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                exporter = self.exporter,
                fault,
                "ignored host metadata of a resource that cannot be read or is beyond a limit; the rest is sent (logged once)"
            );
        }
    }

    /// Sends pending metadata through `intake`, for ever.
    pub(super) async fn run(&self, intake: &dyn Exporter) {
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
                () = self.changed.notified(), if failing.is_none() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// Queues all known hosts. A host that is not seen again is not sent in the next period.
    fn tell_all(&self) {
        let mut known = self.known();
        let all = known.hosts.take();
        let fault = put_all(&mut known.due, all);
        let own = known.own.clone();
        own.into_iter().for_each(|own| known.hosts.set(own));
        drop(known);
        self.tell_fault(fault.as_deref());
    }

    /// Sends everything due, each host once, so that a host that changes meanwhile holds up no others. Returns how long to wait
    /// for the next host or retry.
    async fn send_due(&self, intake: &dyn Exporter, failing: &mut Option<Backoff>) -> Option<Duration> {
        let apart = self.settings.apart;
        let ready = self.known().due.ready(apart, Instant::now().into_std());
        for host in ready {
            let taken = self.known().due.take(&host);
            let Some(metadata) = taken else { continue };
            if let Some(wait) = self.send(intake, metadata, failing).await {
                return Some(wait);
            }
            self.known().due.note(&host, Instant::now().into_std());
        }
        self.known().due.wait(apart, Instant::now().into_std())
    }

    /// Sends a host; returns how long to wait if the intake is unavailable.
    async fn send(&self, intake: &dyn Exporter, metadata: Metadata, failing: &mut Option<Backoff>) -> Option<Duration> {
        let host = metadata.hostname();
        match intake.send(&payload(&metadata)).await {
            Outcome::Retry { after, reason } => {
                if failing.is_none() {
                    tracing::warn!(
                        exporter = self.exporter,
                        host,
                        reason,
                        "cannot send host metadata; retrying, telemetry does not wait for it"
                    );
                }
                Some(self.put_off(metadata, after, failing))
            }
            Outcome::TooLarge(reason) | Outcome::Rejected(reason) | Outcome::PermanentError(reason) => {
                if !self.told_refusal.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        exporter = self.exporter,
                        host,
                        reason,
                        "the target rejected host metadata (logged once)"
                    );
                }
                None
            }
            Outcome::Delivered { .. } | Outcome::PartialSuccess { .. } => {
                if failing.take().is_some() {
                    tracing::info!(exporter = self.exporter, "the target accepts host metadata again");
                }
                None
            }
        }
    }

    /// Returns how long to wait after a failure. The host is queued again, unless it is given up; giving up restarts the
    /// backoff instead of ending it, because the other hosts would follow without a pause.
    fn put_off(&self, host: Metadata, after: Option<Duration>, failing: &mut Option<Backoff>) -> Duration {
        let retry = &self.settings.retry;
        let backoff = failing.get_or_insert_with(|| Backoff::new(retry));
        if let Some(wait) = backoff.next(after) {
            self.known().due.put_back(host);
            return wait;
        }
        *backoff = Backoff::new(retry);
        let patient = RetrySettings { enabled: true, max_elapsed_time: Duration::ZERO, ..retry.clone() };
        Backoff::new(&patient).next(after).unwrap_or(retry.initial_interval)
    }

    /// Returns the local host. Data from the first resource is left out if it is too long.
    fn own(&self, first: Option<&Attributes<'_>>) -> Metadata {
        let own = |first| local_host::metadata(&self.hostname, &self.settings.tags, first);
        let told = own(first);
        if first.is_some() && told.bytes() > hosts::HOST_BYTES_MAX { own(None) } else { told }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

/// Queues hosts; returns a fault if there is no room for all of them.
fn put_all(due: &mut Due, hosts: impl IntoIterator<Item = Metadata>) -> Option<String> {
    let left_out = hosts.into_iter().map(|host| due.put(host)).filter(|has_room| !has_room).count();
    (left_out > 0).then(|| format!("dropped {left_out} hosts beyond the number that can wait to be sent"))
}

/// Returns a host's metadata as a request without items.
fn payload(metadata: &Metadata) -> Payload {
    let body = serde_json::to_vec(metadata).unwrap_or_default().into();
    Payload { signal: Signal::Metrics, route: METADATA, items: 0, body }
}
