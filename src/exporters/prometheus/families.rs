//! Groups a scrape into families by Prometheus name: families with the same name are merged, and conflicting ones are dropped.

use super::names::FamilyName;
use super::naming::{Labels, Naming};
use crate::model::scrape::{Attributes, Family, FamilyKind, Sample, Scrape};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// One family, ready to print.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) name: FamilyName,
    pub(super) kind: FamilyKind,
    pub(super) help: &'a str,
    /// Samples that have not expired, each with the kind of its original family.
    pub(super) samples: Vec<(&'a Sample, FamilyKind)>,
}

/// An event to log once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Remark {
    /// A family of this name and kind was dropped, because another one has its name but a different kind or unit.
    Collision(String, FamilyKind),
    /// Senders give different descriptions of this family.
    Descriptions(String),
    /// Nothing of the name of this metric is left.
    Nameless(String),
    /// A summary has a duplicate quantile.
    Repeated(String),
}

/// A scrape with Prometheus names.
#[derive(Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) families: Vec<Placed<'a>>,
    /// The name of the metric that describes resources.
    pub(super) target_info: String,
    /// Its labels, one for each pair of job and instance.
    pub(super) targets: Vec<Labels>,
    pub(super) remarks: Vec<Remark>,
}

/// Names a scrape. Which families are kept does not depend on their order. Samples last received before `live_from_ms` have
/// expired.
pub(super) fn name_scrape<'a>(scrape: &'a Scrape, naming: &Naming, live_from_ms: i64) -> Named<'a> {
    let mut sorted: Vec<&Family> = scrape.families.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.unit, a.kind as u8).cmp(&(&b.name, &b.unit, b.kind as u8)));
    let target_info = naming.target_info();
    let mut named = Named { targets: targets(scrape, naming, live_from_ms), target_info, ..Named::default() };
    // Every name that a sample line can have, and the index of the family that has it.
    let mut claims = BTreeMap::from([(named.target_info.clone(), usize::MAX)]);
    for family in sorted {
        let is_live = |sample: &&Sample| sample.seen_ms.is_none_or(|seen_ms| seen_ms >= live_from_ms);
        let mut live = family.samples.iter().filter(is_live).peekable();
        if live.peek().is_none() {
            continue;
        }
        let Some(name) = naming.family(&family.name, &family.unit, family.kind) else {
            named.remarks.push(Remark::Nameless(family.name.clone()));
            continue;
        };
        if let Some(place) = claim(&mut claims, &mut named, name, family) {
            named.families[place].samples.extend(live.map(|sample| (sample, family.kind)));
        }
    }
    named
}

/// Returns the index of the family with this name, kind and unit, creating it if needed; `None` if the name is taken.
fn claim<'a>(
    claims: &mut BTreeMap<String, usize>,
    named: &mut Named<'a>,
    name: FamilyName,
    family: &'a Family,
) -> Option<usize> {
    if family.descriptions_differ {
        named.remarks.push(Remark::Descriptions(name.full.clone()));
    }
    if let Some(place) = claims.get(&name.full).copied()
        && let Some(held) = named.families.get_mut(place)
        && printed(held.kind) == printed(family.kind)
        && held.name.full == name.full
        // The unit may be in the name or separate: `x_bytes` and `x` in By are the same.
        && (held.name.words == name.words || held.name.words.is_empty() || name.words.is_empty())
    {
        if held.name.words.is_empty() {
            held.name = name;
        }
        if held.help.is_empty() {
            held.help = &family.description;
        } else if held.help != family.description && !family.description.is_empty() {
            named.remarks.push(Remark::Descriptions(held.name.full.clone()));
        }
        return Some(place);
    }
    let wanted = line_names(&name.full, family.kind);
    if wanted.iter().any(|line| claims.contains_key(line)) {
        named.remarks.push(Remark::Collision(name.full, family.kind));
        return None;
    }
    let place = named.families.len();
    claims.extend(wanted.into_iter().map(|line| (line, place)));
    named.families.push(Placed { name, kind: family.kind, help: &family.description, samples: Vec::new() });
    Some(place)
}

/// Returns the kind that Prometheus sees.
pub(super) fn printed(kind: FamilyKind) -> FamilyKind {
    if kind == FamilyKind::UpDown { FamilyKind::Gauge } else { kind }
}

fn line_names(full: &str, kind: FamilyKind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        FamilyKind::Gauge | FamilyKind::UpDown | FamilyKind::Counter => &[""],
        FamilyKind::Histogram => &["", "_bucket", "_sum", "_count"],
        FamilyKind::Summary => &["", "_sum", "_count"],
    };
    suffixes.iter().map(|suffix| format!("{full}{suffix}")).collect()
}

/// Returns one `target_info` for each pair; if several resources share a pair, the one with the most attributes is used.
fn targets(scrape: &Scrape, naming: &Naming, live_from_ms: i64) -> Vec<Labels> {
    let mut resources: Vec<&Arc<Attributes>> = Vec::new();
    let mut met = HashSet::new();
    for sample in scrape.families.iter().flat_map(|family| &family.samples) {
        let Some(resource) = sample.of.resource() else { continue };
        // Most series of a sender are consecutive and share its resource.
        let is_known = resources.last().is_some_and(|last| Arc::ptr_eq(last, resource));
        let is_live = sample.seen_ms.is_none_or(|seen_ms| seen_ms >= live_from_ms);
        if is_live && !is_known && met.insert(Arc::as_ptr(resource)) {
            resources.push(resource);
        }
    }
    resources.sort_by_key(|resource| (Reverse(resource.len()), *resource));
    let mut by_pair: BTreeMap<Labels, Labels> = BTreeMap::new();
    for (pair, labels) in resources.into_iter().filter_map(|resource| naming.target(resource)) {
        by_pair.entry(pair).or_insert(labels);
    }
    by_pair.into_values().collect()
}

#[cfg(test)]
mod tests;
