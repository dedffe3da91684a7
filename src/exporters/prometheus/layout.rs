//! The print order of a family's series and their rendered labels, cached between scrapes: as long as the series stay the same,
//! nothing is named, escaped or sorted again.

use super::families::Placed;
use super::merge::merged;
use super::point::Point;
use crate::model::scrape::{FamilyKind, Identity, Sample};
use std::borrow::Cow;
use std::collections::HashMap;

/// Cached layouts of all families, by name.
#[derive(Debug, Default)]
pub(super) struct Layout {
    families: HashMap<String, FamilyLayout>,
    /// Number of scrapes, used to detect families that are gone.
    scrapes: u64,
    /// Whether samples are printed with their own timestamps.
    with_times: bool,
}

/// Cached layout of one family.
#[derive(Debug, Default)]
pub(super) struct FamilyLayout {
    /// Digests of its samples, in input order.
    digests: Vec<u64>,
    /// Index into `labels` for each of them.
    places: Vec<u32>,
    /// Samples in print order.
    order: Vec<u32>,
    /// Rendered labels of each series, sorted.
    labels: Vec<Box<[u8]>>,
    used: u64,
}

impl Layout {
    /// Begins a scrape, with sample timestamps or with those of Prometheus.
    pub(super) fn begin(&mut self, with_times: bool) {
        self.scrapes += 1;
        self.with_times = with_times;
    }

    /// Ends a scrape: families that were not part of it are removed.
    pub(super) fn end(&mut self) {
        self.families.retain(|_, family| family.used == self.scrapes);
    }

    /// Returns the family's series in order; series with the same labels are merged.
    pub(super) fn points<'a>(
        &'a mut self,
        family: &'a Placed<'_>,
        render: &dyn Fn(&Identity) -> Vec<u8>,
    ) -> Vec<Point<'a>> {
        let (scrapes, with_times) = (self.scrapes, self.with_times);
        let kept = self.families.entry(family.name.full.clone()).or_default();
        kept.used = scrapes;
        if !kept.fits(&family.samples) {
            kept.arrange(&family.samples, render);
        }
        kept.points(&family.samples, with_times)
    }
}

impl FamilyLayout {
    /// Returns true if the samples are those of the previous scrape, in the same order.
    fn fits(&self, samples: &[(&Sample, FamilyKind)]) -> bool {
        samples.len() == self.digests.len()
            && samples.iter().zip(&self.digests).all(|((sample, _), digest)| sample.of.digest() == *digest)
    }

    fn arrange(&mut self, samples: &[(&Sample, FamilyKind)], render: &dyn Fn(&Identity) -> Vec<u8>) {
        let known = std::mem::take(&mut self.labels);
        let mut known: Vec<Option<Box<[u8]>>> = known.into_iter().map(Some).collect();
        let mut by_digest: HashMap<u64, u32> = self.digests.drain(..).zip(self.places.drain(..)).collect();
        let mut labels_of = |of: &Identity| {
            let place = by_digest.remove(&of.digest());
            let kept = place.and_then(|place| known.get_mut(place as usize)?.take());
            kept.unwrap_or_else(|| render(of).into_boxed_slice())
        };
        let mut rendered: Vec<(Box<[u8]>, u32)> =
            samples.iter().zip(0..).map(|((sample, _), index)| (labels_of(&sample.of), index)).collect();
        rendered.sort_unstable();
        self.digests = samples.iter().map(|(sample, _)| sample.of.digest()).collect();
        self.order = rendered.iter().map(|(_, index)| *index).collect();
        self.places = vec![0; samples.len()];
        for (labels, index) in rendered {
            if self.labels.last() != Some(&labels) {
                self.labels.push(labels);
            }
            if let Some(place) = self.places.get_mut(index as usize) {
                *place = u32::try_from(self.labels.len() - 1).unwrap_or(u32::MAX);
            }
        }
    }

    fn points<'a>(&'a self, samples: &[(&'a Sample, FamilyKind)], with_times: bool) -> Vec<Point<'a>> {
        let mut points: Vec<Point<'a>> = Vec::with_capacity(self.labels.len());
        let mut last = None;
        for index in &self.order {
            let at = *index as usize;
            let (Some(&(sample, kind)), Some(place)) = (samples.get(at), self.places.get(at)) else { continue };
            let next = Point {
                labels: self.labels.get(*place as usize).map_or(&[], AsRef::as_ref),
                value: Cow::Borrowed(&sample.value),
                time_ms: sample.time_ms,
                // The zero that Prometheus inserts must be later, by its own clock, than its last scrape of the sum before.
                created_ms: if with_times { sample.created_ms } else { sample.created_ms.max(sample.begun_ms) },
                exemplars: Cow::Borrowed(&sample.exemplars),
            };
            match points.last_mut().filter(|_| last == Some(*place)) {
                Some(held) => merged(held, next, kind),
                None => points.push(next),
            }
            last = Some(*place);
        }
        points
    }
}

#[cfg(test)]
mod tests;
