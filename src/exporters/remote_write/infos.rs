//! When resources were last told of: senders that share job and instance give the same series, at times that need not
//! ascend, and a target refuses what is older than what it has.

use super::proto::{Request, TimeSeries};
use super::requests::{name_of, symbol};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// Beyond this many resources all are forgotten; what is then told twice costs no more than a refusal.
const RESOURCES_MAX: usize = 100_000;

/// Newest time of each, ms since the epoch.
pub(super) struct Infos {
    name: String,
    newest: Mutex<HashMap<u128, i64>>,
}

impl Infos {
    /// Of series of this name.
    pub(super) fn new(name: String) -> Infos {
        Infos { name, newest: Mutex::default() }
    }

    /// Takes out of a request what is no newer than what was sent before.
    pub(super) fn drop_late(&self, request: &mut Request) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut series = std::mem::take(&mut request.timeseries);
        for info in series.iter_mut().filter(|series| name_of(request, series) == self.name) {
            if let Some(newest) = newest.get(&digest(request, info)) {
                info.samples.retain(|sample| sample.timestamp > *newest);
            }
        }
        series.retain(|series| !series.samples.is_empty() || !series.histograms.is_empty());
        request.timeseries = series;
    }

    /// Keeps in mind what was sent.
    pub(super) fn sent(&self, request: &Request) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
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
        // No text of UTF-8 has this byte.
        hasher.update(&[0xff]);
    }
    hasher.digest128()
}
