//! A scrape, named: families by their Prometheus names, series by their labels, what collapses merged, and what cannot
//! stand beside another dropped.

use super::names::{self, FamilyName};
use crate::model::scrape::{Family, FamilyKind, Sample, SampleValue, Scrape};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Labels that Spanwise sets itself; an attribute of that name is printed as `exported_<name>`, as Prometheus does.
const OWN_LABELS: [&str; 6] = ["job", "instance", "le", "quantile", "otel_scope_name", "otel_scope_version"];

/// Resource attributes that `job` and `instance` are made of.
const IDENTITY: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// Sorted labels of a series.
pub(super) type Labels = BTreeMap<String, String>;

/// One family, ready to print.
#[derive(Debug)]
pub(super) struct NamedFamily {
    pub(super) name: FamilyName,
    pub(super) kind: FamilyKind,
    pub(super) help: String,
    pub(super) series: BTreeMap<Labels, Series>,
}

/// One series, ready to print.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) value: SampleValue,
    pub(super) time_ms: Option<i64>,
}

/// A scrape, ready to print.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) families: Vec<NamedFamily>,
    /// Labels of `target_info`, one for each pair of job and instance.
    pub(super) targets: Vec<Labels>,
    /// Families that another one of the same name and a different kind or unit kept out: name and kind.
    pub(super) collisions: Vec<(String, FamilyKind)>,
    /// Summaries that gave a quantile twice, of which the first is kept.
    pub(super) repeated: Vec<String>,
}

/// Names a scrape. The order in which families come makes no difference to what is kept.
pub(super) fn name_scrape(scrape: &Scrape, namespace: &str, const_labels: &Labels) -> Named {
    let mut sorted: Vec<&Family> = scrape.families.iter().filter(|family| !family.samples.is_empty()).collect();
    sorted.sort_by(|a, b| (&a.name, &a.unit, a.kind as u8).cmp(&(&b.name, &b.unit, b.kind as u8)));
    let identities: Vec<Labels> = scrape.resources.iter().map(identity).collect();
    let mut out = Named { targets: targets(scrape, &identities, const_labels), ..Named::default() };
    // Every name that a sample line can bear, and the family (by its place) that bears it.
    let mut claims: BTreeMap<String, usize> = BTreeMap::new();
    claims.insert("target_info".to_owned(), usize::MAX);
    for family in sorted {
        let Some(name) = names::family_name(namespace, &family.name, &family.unit, family.kind) else { continue };
        let Some(place) = claim(&mut claims, &mut out, name, family) else { continue };
        let target = &mut out.families[place];
        let mut repeats = false;
        for sample in &family.samples {
            let labels = sample_labels(sample, &identities, const_labels);
            repeats |= put(&mut target.series, labels, sample, family.kind);
        }
        if repeats {
            out.repeated.push(target.name.full.clone());
        }
    }
    out
}

/// The place of the family of that name, kind and unit, made if there is none; `None` if another one has its name.
fn claim(claims: &mut BTreeMap<String, usize>, out: &mut Named, name: FamilyName, family: &Family) -> Option<usize> {
    if let Some(place) = claims.get(&name.full).copied()
        && let Some(held) = out.families.get_mut(place)
        && printed(held.kind) == printed(family.kind)
        && held.name.full == name.full
        // A name may say the unit that another one gives apart: `x_bytes` and `x` in By are one.
        && (held.name.words == name.words || held.name.words.is_empty() || name.words.is_empty())
    {
        if held.name.words.is_empty() {
            held.name = name;
        }
        if held.help.is_empty() {
            held.help.clone_from(&family.description);
        }
        return Some(place);
    }
    let wanted = line_names(&name.full, family.kind);
    if wanted.iter().any(|line| claims.contains_key(line)) {
        out.collisions.push((name.full, family.kind));
        return None;
    }
    let place = out.families.len();
    claims.extend(wanted.into_iter().map(|line| (line, place)));
    out.families.push(NamedFamily {
        name,
        kind: family.kind,
        help: family.description.clone(),
        series: BTreeMap::new(),
    });
    Some(place)
}

/// The kind that Prometheus sees.
fn printed(kind: FamilyKind) -> FamilyKind {
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

/// `job` and `instance` of a resource, where it has what they are made of.
fn identity(resource: &BTreeMap<String, String>) -> Labels {
    let value = |name: &str| resource.get(name).filter(|value| !value.is_empty());
    let mut labels = Labels::new();
    if let Some(service) = value("service.name") {
        let job = value("service.namespace").map_or_else(|| service.clone(), |space| format!("{space}/{service}"));
        labels.insert("job".to_owned(), job);
    }
    if let Some(instance) = value("service.instance.id") {
        labels.insert("instance".to_owned(), instance.clone());
    }
    labels
}

/// One `target_info` for each pair: where several resources share it, the first that is met gives the attributes.
fn targets(scrape: &Scrape, identities: &[Labels], const_labels: &Labels) -> Vec<Labels> {
    let mut by_pair: BTreeMap<&Labels, Labels> = BTreeMap::new();
    for (resource, pair) in scrape.resources.iter().zip(identities).filter(|(_, pair)| !pair.is_empty()) {
        by_pair.entry(pair).or_insert_with(|| {
            let mut rest = resource.clone();
            rest.retain(|name, _| !IDENTITY.contains(&name.as_str()));
            let mut labels = renamed(names::labels(&rest));
            labels.extend(const_labels.clone());
            labels.extend(pair.clone());
            labels
        });
    }
    by_pair.into_values().collect()
}

fn sample_labels(sample: &Sample, identities: &[Labels], const_labels: &Labels) -> Labels {
    let mut labels = renamed(names::labels(&sample.attributes));
    labels.extend(const_labels.clone());
    if let Some(pair) = sample.resource.and_then(|index| identities.get(index)) {
        labels.extend(pair.clone());
    }
    for (name, value) in [("otel_scope_name", &sample.scope_name), ("otel_scope_version", &sample.scope_version)] {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.clone());
        }
    }
    labels
}

fn renamed(labels: Labels) -> Labels {
    let own = |name: &str| OWN_LABELS.contains(&name) || name == "__name__";
    let rename =
        |(name, value): (String, String)| if own(&name) { (format!("exported_{name}"), value) } else { (name, value) };
    labels.into_iter().map(rename).collect()
}

/// Adds a sample; what has the same labels is summed (sums, histograms) or replaced by the newer (the rest). True where a
/// quantile stood in it twice.
fn put(series: &mut BTreeMap<Labels, Series>, labels: Labels, sample: &Sample, kind: FamilyKind) -> bool {
    let (value, repeats) = distinct(&sample.value);
    match series.entry(labels) {
        Entry::Vacant(place) => {
            place.insert(Series { value, time_ms: sample.time_ms });
        }
        Entry::Occupied(mut place) => {
            let held = place.get_mut();
            let adds = matches!(kind, FamilyKind::Counter | FamilyKind::UpDown);
            match (kind, &mut held.value, &value) {
                (_, SampleValue::Number(sum), SampleValue::Number(value)) if adds => *sum += value,
                (FamilyKind::Histogram, sum @ SampleValue::Histogram { .. }, value) => *sum = added(sum, value),
                (_, held_value, _) if sample.time_ms >= held.time_ms => *held_value = value,
                _ => {}
            }
            held.time_ms = held.time_ms.max(sample.time_ms);
        }
    }
    repeats
}

/// A summary with each quantile once, and whether one stood twice: Prometheus refuses a scrape for that.
fn distinct(value: &SampleValue) -> (SampleValue, bool) {
    let mut value = value.clone();
    let SampleValue::Summary { quantiles, .. } = &mut value else { return (value, false) };
    let before = quantiles.len();
    let mut seen = BTreeSet::new();
    // Zero has two signs and one text.
    quantiles.retain(|(quantile, _)| seen.insert((quantile + 0.0).to_bits()));
    let repeats = quantiles.len() < before;
    (value, repeats)
}

/// The sum of two histograms, at the bounds that both have: there it is exact.
fn added(one: &SampleValue, other: &SampleValue) -> SampleValue {
    let (
        SampleValue::Histogram { bounds, counts, sum, count },
        SampleValue::Histogram { bounds: other_bounds, counts: other_counts, sum: other_sum, count: other_count },
    ) = (one, other)
    else {
        return one.clone();
    };
    let (total_sum, total_count) = (sum + other_sum, count.saturating_add(*other_count));
    let other_below: BTreeMap<u64, u64> =
        cumulated(other_bounds, other_counts).map(|(b, n)| (b.to_bits(), n)).collect();
    let shared: Vec<(f64, u64)> = cumulated(bounds, counts)
        .filter_map(|(bound, below)| Some((bound, below.saturating_add(*other_below.get(&bound.to_bits())?))))
        .collect();
    let mut before = 0;
    let mut summed: Vec<u64> = Vec::with_capacity(shared.len() + 1);
    for (_, below) in &shared {
        summed.push(below.saturating_sub(before));
        before = *below;
    }
    summed.push(total_count.saturating_sub(before));
    let bounds = shared.into_iter().map(|(bound, _)| bound).collect();
    SampleValue::Histogram { bounds, counts: summed, sum: total_sum, count: total_count }
}

/// Each bound with the count at or below it.
pub(super) fn cumulated<'a>(bounds: &'a [f64], counts: &'a [u64]) -> impl Iterator<Item = (f64, u64)> + 'a {
    bounds.iter().zip(counts).scan(0u64, |below, (bound, count)| {
        *below = below.saturating_add(*count);
        Some((*bound, *below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(attributes: &[(&str, &str)], value: SampleValue, time_ms: Option<i64>) -> Sample {
        let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sample { attributes, resource: None, scope_name: String::new(), scope_version: String::new(), value, time_ms }
    }

    fn family(name: &str, kind: FamilyKind, samples: Vec<Sample>) -> Family {
        Family { name: name.into(), unit: String::new(), description: String::new(), kind, samples }
    }

    fn named(families: Vec<Family>) -> Named {
        name_scrape(&Scrape { resources: Vec::new(), families }, "", &Labels::new())
    }

    fn only(named: &Named) -> &SampleValue {
        assert_eq!(named.families.len(), 1);
        assert_eq!(named.families[0].series.len(), 1);
        &named.families[0].series.first_key_value().unwrap().1.value
    }

    #[test]
    fn counters_that_collapse_are_summed_and_gauges_keep_the_newest() {
        let twins = |kind| {
            let number = |n, t| sample(&[("a", ""), ("b", "x")], SampleValue::Number(n), Some(t));
            named(vec![family("m", kind, vec![number(5.0, 20), number(2.0, 10)])])
        };
        assert_eq!(only(&twins(FamilyKind::Counter)), &SampleValue::Number(7.0));
        assert_eq!(only(&twins(FamilyKind::Gauge)), &SampleValue::Number(5.0));
    }

    #[test]
    fn a_sum_that_goes_both_ways_is_a_gauge_and_no_ratio() {
        let one = |kind| {
            let from = if kind == FamilyKind::UpDown { "sum" } else { "gauge" };
            let samples = vec![sample(&[("from", from)], SampleValue::Number(1.0), None)];
            Family { unit: "1".into(), ..family("busy", kind, samples) }
        };
        let both = named(vec![one(FamilyKind::UpDown), one(FamilyKind::Gauge)]);
        let names: Vec<&str> = both.families.iter().map(|family| family.name.full.as_str()).collect();
        assert_eq!(names, ["busy_ratio", "busy"]);
        // Without a unit both have one name, and Prometheus sees one kind.
        let unitless = |kind| Family { unit: String::new(), ..one(kind) };
        let merged = named(vec![unitless(FamilyKind::UpDown), unitless(FamilyKind::Gauge)]);
        assert_eq!((merged.families.len(), merged.collisions.len()), (1, 0));
    }

    #[test]
    fn a_summary_has_each_quantile_once_and_the_first_of_two() {
        let summary =
            |quantiles: &[(f64, f64)]| SampleValue::Summary { quantiles: quantiles.to_vec(), sum: 3.0, count: 5 };
        let twice = summary(&[(0.5, 1.0), (0.5, 2.0), (0.9, 7.0), (0.0, 0.1), (-0.0, 0.2)]);
        let named = named(vec![family("s", FamilyKind::Summary, vec![sample(&[], twice, None)])]);
        assert_eq!(only(&named), &summary(&[(0.5, 1.0), (0.9, 7.0), (0.0, 0.1)]));
        assert_eq!(named.repeated, ["s"]);
    }

    #[test]
    fn histograms_of_different_bounds_are_summed_where_both_have_one() {
        let histogram = |bounds: &[f64], counts: &[u64]| SampleValue::Histogram {
            bounds: bounds.into(),
            counts: counts.to_vec(),
            sum: 1.5,
            count: counts.iter().sum(),
        };
        let samples = vec![
            sample(&[], histogram(&[1.0, 2.0, 5.0], &[1, 2, 3, 4]), None),
            sample(&[], histogram(&[2.0, 7.0], &[5, 6, 7]), None),
        ];
        let expected = SampleValue::Histogram { bounds: [2.0].into(), counts: vec![8, 20], sum: 3.0, count: 28 };
        assert_eq!(only(&named(vec![family("h", FamilyKind::Histogram, samples)])), &expected);
    }

    #[test]
    fn of_two_kinds_under_one_name_the_same_one_is_kept_in_any_order() {
        let gauge = family("a.total", FamilyKind::Gauge, vec![sample(&[], SampleValue::Number(1.0), None)]);
        let counter = family("a", FamilyKind::Counter, vec![sample(&[], SampleValue::Number(2.0), None)]);
        for families in [vec![gauge.clone(), counter.clone()], vec![counter, gauge]] {
            let named = named(families);
            assert_eq!(only(&named), &SampleValue::Number(2.0));
            assert_eq!(named.collisions, [("a_total".to_owned(), FamilyKind::Gauge)]);
        }
    }

    #[test]
    fn of_two_units_under_one_name_one_is_kept_and_a_unit_in_the_name_is_no_other() {
        let one = |name: &str, unit: &str| {
            let samples = vec![sample(&[("from", name)], SampleValue::Number(1.0), None)];
            Family { unit: unit.into(), ..family(name, FamilyKind::Gauge, samples) }
        };
        let different = named(vec![one("a.seconds.milliseconds", "s"), one("a.seconds", "ms")]);
        assert_eq!(different.families.len(), 1);
        assert_eq!(different.collisions, [("a_seconds_milliseconds".to_owned(), FamilyKind::Gauge)]);
        let same = named(vec![one("disk", "By"), one("disk.bytes", "")]);
        assert_eq!((same.families.len(), same.families[0].series.len()), (1, 2));
        assert_eq!(same.families[0].name.unit.as_deref(), Some("bytes"));
        assert!(same.collisions.is_empty());
    }

    #[test]
    fn a_gauge_cannot_take_the_name_of_a_histograms_count() {
        let histogram = SampleValue::Histogram { bounds: [].into(), counts: vec![1], sum: 1.0, count: 1 };
        let families = vec![
            family("h", FamilyKind::Histogram, vec![sample(&[], histogram, None)]),
            family("h.count", FamilyKind::Gauge, vec![sample(&[], SampleValue::Number(1.0), None)]),
        ];
        assert_eq!(named(families).collisions, [("h_count".to_owned(), FamilyKind::Gauge)]);
    }

    #[test]
    fn an_attribute_does_not_replace_a_label_of_ours() {
        let mut one = sample(&[("job", "mine"), ("le", "7")], SampleValue::Number(1.0), None);
        one.resource = Some(0);
        let resources = vec![[("service.name".to_owned(), "shop".to_owned())].into()];
        let named = name_scrape(
            &Scrape { resources, families: vec![family("m", FamilyKind::Gauge, vec![one])] },
            "",
            &Labels::new(),
        );
        let (labels, _) = named.families[0].series.first_key_value().unwrap();
        let expected = [("exported_job", "mine"), ("exported_le", "7"), ("job", "shop")];
        assert_eq!(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }
}
