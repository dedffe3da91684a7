//! Expected values are calculated by hand from OTLP's definition: index i at scale s is (2^(i/2^s), 2^((i+1)/2^s)].

use super::*;

fn of(scale: i32, offset: i32, counts: &[u64]) -> Exponential {
    let count = counts.iter().copied().fold(0, u64::saturating_add);
    Exponential {
        scale,
        positive: Buckets { offset, counts: counts.to_vec() },
        sum: 1.5,
        count,
        ..Exponential::default()
    }
}

#[test]
fn a_coarser_scale_joins_pairs_also_below_one() {
    // At scale 1, index -3 is (2^-1.5, 2^-1], in (0.25, 0.5] at scale 0, which is index -2; -2 and -1 are in (0.5, 1].
    let coarse = of(1, -3, &[1, 2, 4, 8, 16]).at_most(0);
    assert_eq!((coarse.scale, &coarse.positive), (0, &Buckets { offset: -2, counts: vec![1, 6, 24] }));
    // At scale -1 each bucket is a factor of 4: (1/16, 1/4], (1/4, 1], (1, 4].
    assert_eq!(coarse.at_most(-1).positive, Buckets { offset: -1, counts: vec![7, 24] });
    assert_eq!(coarse.at_most(5), coarse);
}

#[test]
fn sums_are_made_at_the_coarser_scale() {
    let mut sum = of(1, 0, &[1, 2, 3]);
    sum.add(&of(0, 3, &[5]));
    assert_eq!(sum, Exponential { sum: 3.0, ..of(0, 0, &[3, 3, 0, 5]) });
    let mut empty = Exponential { scale: 3, ..Exponential::default() };
    empty.add(&of(3, 7, &[2]));
    assert_eq!(empty.positive, Buckets { offset: 7, counts: vec![2] });
}

#[test]
fn a_greater_zero_threshold_takes_in_what_lies_below_it() {
    let mut sum = of(0, 0, &[1, 2, 4]);
    // The zero threshold is 2: (1, 2] counts as zero, (2, 4] does not.
    sum.add(&Exponential { zero_threshold: 2.0, zero_count: 10, count: 10, ..of(0, 0, &[]) });
    assert_eq!((sum.zero_count, sum.zero_threshold, sum.count), (11, 2.0, 17));
    assert_eq!(sum.positive.clone().trimmed(), Buckets { offset: 1, counts: vec![2, 4] });
}

#[test]
fn far_apart_is_coarser_and_no_index_breaks_anything() {
    let mut sum = of(3, -4000, &[1]);
    sum.add(&of(3, 4000, &[1]));
    // 8001 buckets at scale 3; they fit into 320 when 32 are merged into one, at scale -2.
    assert_eq!((sum.scale, sum.count), (-2, 2));
    assert_eq!(sum.positive.iter().map(|(_, count)| count).sum::<u64>(), 2);
    for (scale, offset) in [(20, i32::MAX), (-10, i32::MIN), (0, i32::MIN), (i32::MIN, 5), (i32::MAX, i32::MAX)] {
        let mut sum = of(scale, offset, &[u64::MAX, 1]);
        sum.add(&of(-10, i32::MAX, &[u64::MAX]));
        sum.add(&of(20, i32::MIN, &[1, 1]));
        let _any = (sum.at_most(-4), sum.positive.clone().trimmed(), bound(i64::from(offset), scale));
    }
}
