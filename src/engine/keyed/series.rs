//! Last value of each series received over OTLP, for the Prometheus scrape. Deltas are summed across senders.

use super::points::{self, Point, Points};
use super::text;
use crate::model::scrape::{Attributes, Exemplar, Family, FamilyKind, Identity, Sample, SampleValue, Scope, Scrape};
use crate::model::table::TableDef;
use arrow::array::RecordBatch;
use promoted::Promoted;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

mod promoted;

/// Maximum number of exemplars per series.
const EXEMPLARS_MAX: usize = 32;

/// State of a series.
#[derive(Debug)]
struct Series {
    of: Arc<Identity>,
    /// Index of its family.
    family: usize,
    value: SampleValue,
    time_unix_nano: i64,
    /// When counting began, if known.
    created_unix_nano: Option<i64>,
    /// Start time that its points repeat although it is unknown when counting began: one of them had it as its own time.
    unknown_start: Option<i64>,
    /// For a sum of deltas: when it began, by our clock. Earlier scrapes showed another sum or none.
    begun_ms: Option<i64>,
    /// When its last point arrived, by our clock.
    seen_ms: i64,
    exemplars: Arc<[Exemplar]>,
}

/// Identity of a family: name, unit and kind.
type FamilyKey = (String, String, FamilyKind);

/// A family and its description.
#[derive(Debug)]
struct FamilyOf {
    key: FamilyKey,
    description: String,
    descriptions_differ: bool,
}

/// Last values of all series.
#[derive(Debug, Default)]
pub(crate) struct LastValues {
    series: HashMap<i64, Series>,
    series_max: usize,
    families: Vec<FamilyOf>,
    places: HashMap<FamilyKey, usize>,
    resources: HashSet<Arc<Attributes>>,
    scopes: HashSet<Arc<Scope>>,
    promoted: Vec<Promoted>,
    /// Start times that mean "unknown", of series that are not shown at the moment.
    unknown_starts: HashMap<i64, i64>,
    /// Number of points of series beyond the limit, which the scrape omits.
    pub(crate) overflowed: u64,
    /// Number of points of cumulative counters without a known increase.
    pub(crate) counters_overflowed: u64,
}

impl LastValues {
    pub(crate) fn new(series_max: usize, tables: &[TableDef]) -> LastValues {
        let promoted = promoted::of(tables);
        LastValues { series_max, promoted, ..LastValues::default() }
    }

    /// Registers start times that mean "unknown", from [`super::counters::Counters::unknown_starts`].
    pub(crate) fn with_unknown_starts(mut self, starts: impl Iterator<Item = (i64, i64)>) -> LastValues {
        for (id, start) in starts {
            let newest = self.unknown_starts.entry(id).or_insert(start);
            *newest = start.max(*newest);
        }
        self
    }

    /// Adds rows of `metrics`.
    pub(crate) fn metrics(&mut self, batch: &RecordBatch) {
        self.take(batch, &points::numbers(batch));
    }

    /// Adds rows of `histograms`.
    pub(crate) fn histograms(&mut self, batch: &RecordBatch) {
        self.take(batch, &points::histograms(batch));
    }

    fn take(&mut self, batch: &RecordBatch, points: &Points<'_>) {
        let now_ms = crate::model::unix_time::now_ms();
        for row in 0..batch.num_rows() {
            let id = (points.series_id)(row).unwrap_or_default();
            let time_unix_nano = (points.time)(row).unwrap_or_default();
            if points.is_stale(row) {
                // A staleness marker ends the series.
                if self.series.get(&id).is_some_and(|known| known.time_unix_nano <= time_unix_nano) {
                    let ended = self.series.remove(&id);
                    let unknown_start = ended.and_then(|ended| ended.unknown_start);
                    self.unknown_starts.extend(unknown_start.map(|start| (id, start)));
                }
            } else if let Some(point) = (points.point)(row) {
                self.put(batch, row, (id, time_unix_nano, now_ms), point, points.exemplars(row));
            }
        }
    }

    fn put(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        (id, time_unix_nano, now_ms): (i64, i64, i64),
        point: Point,
        exemplars: Vec<Exemplar>,
    ) {
        if let Some(known) = self.series.get_mut(&id) {
            known.take(point, time_unix_nano, now_ms);
            known.take_exemplars(exemplars);
            return;
        }
        if self.series.len() >= self.series_max {
            self.overflowed += 1;
            return;
        }
        let family = self.family(batch, row, point.kind);
        let of = Arc::new(self.identity(batch, row));
        let unknown_start = self.unknown_starts.remove(&id);
        // Earlier scrapes did not contain it, so a Prometheus that knows it from an earlier process has marked it stale.
        let begun_ms = point.is_delta.then(crate::model::unix_time::now_ms);
        let mut series = Series {
            of,
            family,
            value: point.value,
            time_unix_nano,
            created_unix_nano: None,
            unknown_start,
            begun_ms,
            seen_ms: now_ms,
            exemplars: Arc::default(),
        };
        series.create(point.start_unix_nano, point.is_delta, time_unix_nano);
        series.take_exemplars(exemplars);
        self.series.insert(id, series);
    }

    /// Returns the index of a row's family, which is created if needed.
    fn family(&mut self, batch: &RecordBatch, row: usize, kind: FamilyKind) -> usize {
        let word = |name: &str| text(batch, name)(row).unwrap_or_default().to_owned();
        let (key, description) = ((word("name"), word("unit"), kind), word("description"));
        if let Some(place) = self.places.get(&key).copied() {
            if let Some(family) = self.families.get_mut(place) {
                family.describe(description);
            }
            return place;
        }
        self.places.insert(key.clone(), self.families.len());
        self.families.push(FamilyOf { key, description, descriptions_differ: false });
        self.families.len() - 1
    }

    fn identity(&mut self, batch: &RecordBatch, row: usize) -> Identity {
        let word = |name: &str| text(batch, name)(row).unwrap_or_default().to_owned();
        let mut attributes = points::map(batch, "attributes", row);
        let mut resource = points::map(batch, "resource_attributes", row);
        for promoted in &self.promoted {
            promoted.put_back(batch, row, &mut attributes, &mut resource);
        }
        resource.insert("service.name".to_owned(), word("service_name"));
        let scope = Scope {
            name: word("scope_name"),
            version: word("scope_version"),
            schema_url: word("scope_schema_url"),
            attributes: points::map(batch, "scope_attributes", row),
        };
        Identity::new(attributes, Some(shared(&mut self.resources, resource)), shared(&mut self.scopes, scope))
    }

    /// Forgets series silent since `before_ms` of our clock, because a sender's clock may be wrong.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        for (id, series) in self.series.extract_if(|_, series| series.seen_ms < before_ms) {
            // If the series returns, this start still means "unknown".
            if let Some(start) = series.unknown_start.filter(|_| self.unknown_starts.len() < self.series_max) {
                self.unknown_starts.insert(id, start);
            }
        }
        self.resources.retain(|resource| Arc::strong_count(resource) > 1);
        self.scopes.retain(|scope| Arc::strong_count(scope) > 1);
        self.forget_families();
    }

    /// Removes families without series and moves the others up.
    fn forget_families(&mut self) {
        let mut used = vec![false; self.families.len()];
        for series in self.series.values() {
            if let Some(used) = used.get_mut(series.family) {
                *used = true;
            }
        }
        let mut next = 0;
        let mut moved = Vec::with_capacity(used.len());
        for used in &used {
            moved.push(next);
            next += usize::from(*used);
        }
        for series in self.series.values_mut() {
            series.family = moved.get(series.family).copied().unwrap_or_default();
        }
        let mut used = used.into_iter();
        self.families.retain(|_| used.next().unwrap_or_default());
        self.places = self.families.iter().enumerate().map(|(place, family)| (family.key.clone(), place)).collect();
    }

    /// Adds all series to a scrape.
    pub(crate) fn scrape(&self, scrape: &mut Scrape) {
        let empty = |family: &FamilyOf| Family {
            name: family.key.0.clone(),
            unit: family.key.1.clone(),
            description: family.description.clone(),
            descriptions_differ: family.descriptions_differ,
            kind: family.key.2,
            samples: Vec::new(),
        };
        let mut families: Vec<Family> = self.families.iter().map(empty).collect();
        for series in self.series.values() {
            if let Some(family) = families.get_mut(series.family) {
                family.samples.push(series.sample());
            }
        }
        scrape.families.extend(families);
    }
}

impl Series {
    /// Adds a point.
    fn take(&mut self, point: Point, time_unix_nano: i64, now_ms: i64) {
        if point.is_delta {
            if !points::add(&mut self.value, point.value) {
                // It cannot be added, so the sum begins again with it.
                self.create(point.start_unix_nano, true, time_unix_nano);
                self.begun_ms = Some(crate::model::unix_time::now_ms());
            }
        } else if time_unix_nano >= self.time_unix_nano {
            self.value = point.value;
            self.create(point.start_unix_nano, false, time_unix_nano);
        } else if point.start_unix_nano >= Some(time_unix_nano) && point.start_unix_nano == self.created_unix_nano {
            // The series' first point arrived late and shows that the start is unknown.
            self.unknown_start = self.created_unix_nano.take();
        }
        self.time_unix_nano = self.time_unix_nano.max(time_unix_nano);
        self.seen_ms = now_ms;
    }

    /// Sets when counting began: at the first delta of a sum, or at the start that the sender of a running total gives.
    /// A start equal to its point's time means "unknown", and later points repeat it.
    fn create(&mut self, start: Option<i64>, is_delta: bool, time_unix_nano: i64) {
        if !is_delta && start >= Some(time_unix_nano) {
            self.unknown_start = start;
        }
        self.created_unix_nano = match start {
            start if is_delta => start.or(Some(time_unix_nano)),
            start if start == self.unknown_start => None,
            start => start,
        };
    }

    /// Replaces the exemplars if there are new ones: not every point has some.
    fn take_exemplars(&mut self, mut exemplars: Vec<Exemplar>) {
        if !exemplars.is_empty() {
            exemplars.truncate(EXEMPLARS_MAX);
            self.exemplars = exemplars.into();
        }
    }

    fn sample(&self) -> Sample {
        Sample {
            of: self.of.clone(),
            value: self.value.clone(),
            time_ms: Some(self.time_unix_nano / 1_000_000),
            created_ms: self.created_unix_nano.map(|created| created / 1_000_000),
            begun_ms: self.begun_ms,
            seen_ms: Some(self.seen_ms),
            exemplars: self.exemplars.clone(),
        }
    }
}

impl FamilyOf {
    /// Shows the longest description; among those of equal length, the first in alphabetical order.
    fn describe(&mut self, description: String) {
        if description == self.description || description.is_empty() {
            return;
        }
        self.descriptions_differ |= !self.description.is_empty();
        let rank = |text: &String| (std::cmp::Reverse(text.len()), text.clone());
        if rank(&description) < rank(&self.description) {
            self.description = description;
        }
    }
}

/// Returns a shared copy of a value.
fn shared<T: Eq + std::hash::Hash>(known: &mut HashSet<Arc<T>>, one: T) -> Arc<T> {
    if let Some(known) = known.get(&one) {
        return known.clone();
    }
    let one = Arc::new(one);
    known.insert(one.clone());
    one
}

#[cfg(test)]
mod tests;
