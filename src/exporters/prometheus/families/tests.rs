//! Which metrics are merged into a family, and which are dropped.

use super::*;
use crate::model::scrape::{Identity, SampleValue};

fn map(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn family(name: &str, unit: &str, kind: FamilyKind) -> Family {
    let sample = Sample::plain(Identity::own(map(&[("from", name)])), SampleValue::Number(1.0));
    Family {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: String::new(),
        descriptions_differ: false,
        kind,
        samples: vec![sample],
    }
}

fn named(families: &[Family]) -> (Vec<(String, usize)>, Vec<Remark>) {
    let scrape = Scrape { families: families.to_vec() };
    let named = name_scrape(&scrape, &Naming::default(), 0);
    (named.families.iter().map(|family| (family.name.full.clone(), family.samples.len())).collect(), named.remarks)
}

#[test]
fn of_two_kinds_under_one_name_the_same_one_is_kept_in_any_order() {
    let (gauge, counter) = (family("a.total", "", FamilyKind::Gauge), family("a", "", FamilyKind::Counter));
    for families in [[gauge.clone(), counter.clone()], [counter, gauge]] {
        let (kept, remarks) = named(&families);
        assert_eq!(kept, [("a_total".to_owned(), 1)]);
        assert_eq!(remarks, [Remark::Collision("a_total".to_owned(), FamilyKind::Gauge)]);
    }
}

#[test]
fn of_two_units_under_one_name_one_is_kept_and_a_unit_in_the_name_is_no_other() {
    let gauge = |name: &str, unit: &str| family(name, unit, FamilyKind::Gauge);
    let (kept, remarks) = named(&[gauge("a.seconds.milliseconds", "s"), gauge("a.seconds", "ms")]);
    assert_eq!(kept.len(), 1);
    assert_eq!(remarks, [Remark::Collision("a_seconds_milliseconds".to_owned(), FamilyKind::Gauge)]);
    let (kept, remarks) = named(&[gauge("disk", "By"), gauge("disk.bytes", "")]);
    assert_eq!(kept, [("disk_bytes".to_owned(), 2)]);
    assert!(remarks.is_empty());
}

#[test]
fn a_gauge_cannot_take_the_name_of_a_histograms_count() {
    let (_, remarks) = named(&[family("h", "", FamilyKind::Histogram), family("h.count", "", FamilyKind::Gauge)]);
    assert_eq!(remarks, [Remark::Collision("h_count".to_owned(), FamilyKind::Gauge)]);
}

#[test]
fn what_has_no_name_is_told_and_so_are_descriptions_that_differ() {
    let of = |name: &str, text: &str| Family { description: text.to_owned(), ..family(name, "", FamilyKind::Gauge) };
    let (kept, remarks) = named(&[of("@#$", ""), of("a.b", "one"), of("a_b", "two"), of("a-b", "")]);
    assert_eq!(kept, [("a_b".to_owned(), 3)]);
    assert_eq!(remarks, [Remark::Nameless("@#$".to_owned()), Remark::Descriptions("a_b".to_owned())]);
}

#[test]
fn what_has_expired_is_not_shown_nor_is_its_resource() {
    let of = |instance: &str, seen_ms: Option<i64>| {
        let resource = map(&[("service.name", "shop"), ("service.instance.id", instance), ("zone", "z")]);
        let of = Identity::new(Attributes::new(), Some(Arc::new(resource)), Arc::default());
        Sample { seen_ms, ..Sample::plain(of, SampleValue::Number(1.0)) }
    };
    let gauge = Family {
        samples: vec![of("old", Some(99)), of("new", Some(100)), of("own", None)],
        ..family("g", "", FamilyKind::Gauge)
    };
    let gone = Family { samples: vec![of("old", Some(1))], ..family("gone", "", FamilyKind::Gauge) };
    let scrape = Scrape { families: vec![gauge, gone] };
    let named = name_scrape(&scrape, &Naming::default(), 100);
    assert_eq!(named.families.len(), 1);
    assert_eq!(named.families[0].samples.len(), 2);
    let target = |instance: &str| map(&[("instance", instance), ("job", "shop"), ("zone", "z")]);
    assert_eq!(named.targets, [target("new"), target("own")]);
}

#[test]
fn of_two_resources_of_one_job_and_instance_the_one_that_tells_more_is_described() {
    let sample = |resource: &[(&str, &str)]| {
        let of = Identity::new(Attributes::new(), Some(Arc::new(map(resource))), Arc::default());
        Sample::plain(of, SampleValue::Number(1.0))
    };
    let poor = sample(&[("service.name", "shop")]);
    let rich = sample(&[("service.name", "shop"), ("telemetry.sdk.language", "rust")]);
    let nobody = sample(&[("host.name", "h")]);
    for samples in [vec![poor.clone(), rich.clone(), nobody.clone()], vec![nobody, rich, poor]] {
        let scrape = Scrape { families: vec![Family { samples, ..family("g", "", FamilyKind::Gauge) }] };
        let targets = name_scrape(&scrape, &Naming::default(), 0).targets;
        assert_eq!(targets, [map(&[("job", "shop"), ("telemetry_sdk_language", "rust")])]);
    }
}
