//! Expected values by hand, from the definitions: OTLP's index i at scale s is (2^(i/2^s), 2^((i+1)/2^s)], which is bucket i +
//! 1 in Prometheus.

use super::*;

fn of(scale: i32, offset: i32, counts: &[u64], zero_count: u64) -> Exponential {
    let count = zero_count.saturating_add(counts.iter().copied().fold(0, u64::saturating_add));
    let positive = Buckets { offset, counts: counts.to_vec() };
    Exponential { scale, positive, zero_count, count, sum: 5.0, ..Exponential::default() }
}

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

#[test]
fn buckets_become_spans_and_changes() {
    let histogram = native(&of(3, -2, &[1, 3, 0, 0, 2, 0, 0, 0, 7], 4)).unwrap();
    // -1 and 0; two empty ones written out; 3; then a gap of three, which is skipped; 7.
    assert_eq!(histogram.positive, (vec![span(-1, 5), span(3, 1)], vec![1, 2, -3, 0, 2, 5]));
    assert_eq!((histogram.scale, histogram.count, histogram.zero_count), (3, 17, 4));
    assert_eq!(histogram.zero_threshold.to_bits(), 1e-128_f64.to_bits());
    assert_eq!(histogram.negative, (vec![], vec![]));
}

#[test]
fn scales_above_eight_are_made_coarser_and_those_below_minus_four_have_no_native_form() {
    // At scale 10, 4 to 7 are bucket 1 of scale 8.
    let histogram = native(&of(10, 4, &[1, 1, 1, 1, 5], 0)).unwrap();
    assert_eq!((histogram.scale, histogram.positive), (8, (vec![span(2, 2)], vec![4, 1])));
    assert!(native(&of(-4, 0, &[1], 0)).is_some());
    assert!(native(&of(-5, 0, &[1], 0)).is_none());
}

#[test]
fn a_count_is_that_of_the_buckets_but_for_nan() {
    let wrong = Exponential { count: 3, ..of(0, 0, &[1, 1], 3) };
    assert_eq!(native(&wrong).unwrap().count, 5);
    let with_nan = Exponential { count: 9, sum: f64::NAN, ..wrong };
    assert_eq!(native(&with_nan).unwrap().count, 9);
}

/// Bounds with cumulative counts, and the count.
fn told(of: &Exponential) -> (Vec<(f64, u64)>, u64) {
    let SampleValue::Histogram { bounds, counts, count, .. } = classic(of) else { panic!("a histogram") };
    assert_eq!(counts.len(), bounds.len() + 1);
    let below = bounds.iter().zip(&counts).scan(0, |all, (bound, count)| {
        *all += count;
        Some((*bound, *all))
    });
    (below.collect(), count)
}

#[test]
fn classic_buckets_lie_between_powers_of_two() {
    // Scale 2: indices 0 to 3 are (1, 2], 4 is (2, 2.38].
    let fine = told(&of(2, 0, &[1, 0, 0, 2, 4], 3));
    assert_eq!(fine, (vec![(1.0, 3), (2.0, 6), (4.0, 10)], 10));
    // Scale 0: index -3 is (0.125, 0.25], and -1 is (0.5, 1].
    assert_eq!(told(&of(0, -3, &[1, 0, 1], 0)), (vec![(0.125, 0), (0.25, 1), (0.5, 1), (1.0, 2)], 2));
    // Scale -1: index 1 is (4, 16].
    assert_eq!(told(&of(-1, 1, &[5], 0)), (vec![(8.0, 0), (16.0, 5)], 5));
    assert_eq!(told(&of(2, 0, &[], 3)), (vec![], 3));
}

#[test]
fn there_is_a_bound_on_bounds_and_faulty_indices_break_nothing() {
    let (below, count) = told(&of(0, -1000, &[1; 2000], 0));
    assert!(below.len() <= BOUNDS_MAX && count == 2000, "{}", below.len());
    // 2^0 is the upper bound of the indices -1000 to -1.
    assert!(below.contains(&(1.0, 1000)), "{below:?}");
    for (scale, offset) in
        [(-10, i32::MAX), (100, i32::MIN), (i32::MIN, 0), (i32::MAX, 5), (-10, i32::MIN), (20, i32::MAX)]
    {
        let faulty = of(scale, offset, &[1, u64::MAX, u64::MAX], u64::MAX);
        let _any = (native(&faulty), classic(&faulty));
    }
}
