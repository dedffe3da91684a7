//! Statistics by hand.

use super::*;

fn group(hits: f64) -> (GroupKey, Group) {
    let mut group = Group { hits, ..Group::default() };
    group.ok.add(1000.0);
    (GroupKey { resource: format!("{hits}"), ..GroupKey::default() }, group)
}

fn payload(groups: usize) -> StatsPayload {
    let groups = (1..=groups).map(|index| group(f64::from(u32::try_from(index).unwrap()))).collect();
    let bucket = Bucket { start: 20_000_000_000, duration: 10_000_000_000, groups };
    StatsPayload {
        agent_version: "spanwise".to_owned(),
        stats: vec![ClientStats { key: PayloadKey::default(), buckets: vec![bucket] }],
        ..StatsPayload::default()
    }
}

#[test]
fn a_value_falls_between_bounds_that_are_two_percent_apart() {
    let gamma: f64 = 1.01 / 0.99;
    for value in [1.0, 1.5, 1024.0, 123_456_789.0, 5e9] {
        let mut sketch = Sketch::default();
        sketch.add(value);
        let (index, count) = sketch.bins().next().unwrap();
        let lower = gamma.powi(index);
        assert!(lower <= value * 1.000_001 && value <= lower * gamma * 1.000_001, "{value} in bin {index}");
        assert!((count - 1.0).abs() < f64::EPSILON);
    }
}

#[test]
fn what_is_no_duration_counts_as_zero() {
    let mut sketch = Sketch::default();
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
        sketch.add(value);
    }
    assert!((sketch.zeros() - 5.0).abs() < f64::EPSILON && sketch.bins().next().is_none());
}

#[test]
fn a_sketch_keeps_its_highest_bins() {
    let mut sketch = Sketch::default();
    (0..64).for_each(|power| sketch.add(2_f64.powi(power)));
    let bins: Vec<_> = sketch.bins().collect();
    let (first, last) = (bins[0], bins[bins.len() - 1]);
    assert_eq!(last.0 - first.0, 2047);
    assert!((bins.iter().map(|(_, count)| count).sum::<f64>() - 64.0).abs() < f64::EPSILON);
    assert!(first.1 > 1.0, "the lowest are together: {first:?}");
}

#[test]
fn bodies_hold_so_many_groups_and_lose_none() {
    let bodies = bodies(&payload(25), 10);
    assert_eq!(bodies.iter().map(|body| body.entries).collect::<Vec<_>>(), [10, 10, 5]);
    assert!(super::bodies(&StatsPayload::default(), 10).is_empty());
    let whole = super::bodies(&payload(25), ENTRIES_MAX);
    assert_eq!((whole.len(), whole[0].entries), (1, 25));
    // A map of six fields in MessagePack, the first of them `AgentHostname`.
    assert_eq!(&whole[0].body[..15], b"\x86\xadAgentHostname");
}

#[test]
fn fractions_are_rounded_so_that_sums_stay_true() {
    let mut up = 0;
    for index in 0..1000 {
        let (key, group) = (
            GroupKey { resource: format!("{index}"), ..GroupKey::default() },
            Group { hits: 3.25, ..Group::default() },
        );
        let bucket = Bucket { start: 0, duration: 1, groups: vec![(key, group)] };
        let stats = vec![ClientStats { key: PayloadKey::default(), buckets: vec![bucket] }];
        let body = &bodies(&StatsPayload { stats, ..StatsPayload::default() }, 1)[0].body;
        let hits = body.windows(4).position(|window| window == b"Hits").map(|at| body[at + 4]).unwrap();
        assert!(hits == 3 || hits == 4, "{hits}");
        up += u32::from(hits == 4);
    }
    assert!((200..300).contains(&up), "a quarter of them: {up}");
}
