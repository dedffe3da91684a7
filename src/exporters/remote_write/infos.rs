//! When resources were last described: senders that share job and instance write the same series, with times that may go back,
//! and a target rejects samples older than its newest.

use super::proto::{Request, TimeSeries};
use super::requests::{name_of, symbol};
use parking_lot::Mutex;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// With more resources than this, all are forgotten; a duplicate then costs no more than a rejection.
const RESOURCES_MAX: usize = 100_000;

/// Newest time of each resource, ms since the epoch.
pub(super) struct Infos {
    name: String,
    newest: Mutex<HashMap<u128, i64>>,
}

impl Infos {
    /// Tracks the series of this name.
    pub(super) fn new(name: String) -> Infos {
        Infos { name, newest: Mutex::default() }
    }

    /// Removes samples from a request that are no newer than what was sent before.
    pub(super) fn drop_late(&self, request: &mut Request) {
        let newest = self.newest.lock();
        let mut series = std::mem::take(&mut request.timeseries);
        for info in series.iter_mut().filter(|series| name_of(request, series) == self.name) {
            if let Some(newest) = newest.get(&digest(request, info)) {
                info.samples.retain(|sample| sample.timestamp > *newest);
            }
        }
        series.retain(|series| !series.samples.is_empty() || !series.histograms.is_empty());
        request.timeseries = series;
    }

    /// Records what was sent.
    pub(super) fn sent(&self, request: &Request) {
        let mut newest = self.newest.lock();
        if newest.len() > RESOURCES_MAX {
            newest.clear();
        }
        for info in request.timeseries.iter().filter(|series| name_of(request, series) == self.name) {
            let last = info.samples.iter().map(|sample| sample.timestamp).max().unwrap_or_default();
            let held = newest.entry(digest(request, info)).or_default();
            *held = last.max(*held);
        }
    }
}

fn digest(request: &Request, series: &TimeSeries) -> u128 {
    let mut hasher = Xxh3::new();
    for place in &series.labels_refs {
        hasher.update(symbol(request, *place).as_bytes());
        // This byte never occurs in UTF-8.
        hasher.update(&[0xff]);
    }
    hasher.digest128()
}
