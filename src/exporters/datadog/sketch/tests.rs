use super::explicit::NotAscending;
use super::keys;
use super::*;

#[test]
fn keys_are_those_of_the_agent() {
    // γ = 1 + 2/128; the bias is such that the greatest power of γ not above 1e-9 has the key 1.
    assert!((keys::LN_GAMMA - (1.0_f64 / 64.0).ln_1p()).abs() < 1e-17);
    let lowest = (1e-9_f64.ln() / keys::LN_GAMMA).floor();
    assert!((f64::from(1 - keys::BIAS) - lowest).abs() < f64::EPSILON);
    // As in pkg/util/quantile.
    assert_eq!([0.0, 1e-10, 1.0, -1.0, 2.0].map(keys::of), [0, 0, 1338, -1338, 1383]);
    assert!(
        (1..=keys::MAX).step_by(97).all(|key| keys::of(keys::low(key)) == key && keys::of(-keys::low(key)) == -key)
    );
    assert_eq!([f64::MAX, -f64::MAX].map(keys::finite), [keys::MAX, -keys::MAX]);
}

#[test]
fn a_count_is_spread_between_its_bounds_and_none_is_lost() {
    let mut builder = Builder::default();
    builder.spread(1.0, 2.0, 100).unwrap();
    assert_eq!(builder.spread(2.0, 1.0, 1), Err(NotAscending));
    let sketch = builder.finish().unwrap();
    assert_eq!(sketch.counts().iter().sum::<u32>(), 100);
    assert_eq!((sketch.keys()[0], sketch.basic.count, sketch.basic.min), (1338, 100, 1.0));
    assert!(sketch.basic.max <= 2.0 && (sketch.basic.average - 1.5).abs() < 0.02);
}

#[test]
fn a_count_above_sixteen_bits_takes_several_bins() {
    let mut builder = Builder::default();
    builder.spread(1.0, 1.0, 140_000).unwrap();
    let sketch = builder.finish().unwrap();
    assert_eq!((sketch.keys(), sketch.counts()), (vec![1338; 3], vec![140_000 - 2 * 65_535, 65_535, 65_535]));
}

#[test]
fn of_too_many_bins_the_lowest_are_put_together() {
    let mut builder = Builder::default();
    // One value at each of 5000 keys.
    for key in 1..=5000 {
        builder.spread(keys::low(key), keys::low(key), 1).unwrap();
    }
    let sketch = builder.finish().unwrap();
    assert_eq!((sketch.keys().len(), sketch.keys()[0], sketch.counts()[0]), (4096, 905, 905));
    assert_eq!(sketch.counts().iter().sum::<u32>(), 5000);
}

#[test]
fn an_exponential_histogram_keeps_its_count_whatever_its_scale() {
    for scale in [-4, 0, 3, 10, 20] {
        let counts = [3, 0, 7, 11];
        let half = Half { offset: -1, counts: &counts };
        let histogram = Exponential { scale, zero_count: 2, positive: half, negative: half };
        let sketch = histogram.sketch().unwrap().unwrap();
        assert_eq!(sketch.counts().iter().sum::<u32>(), 44, "scale {scale}");
        assert!(sketch.basic.min < 0.0 && sketch.basic.max > 0.0);
    }
}

#[test]
fn what_no_sketch_can_hold_is_told_and_nothing_breaks() {
    let counts = [1, 1];
    let at = |scale, offset| {
        Exponential { scale, positive: Half { offset, counts: &counts }, ..Exponential::default() }.sketch()
    };
    for (scale, offset) in [(0, i32::MAX), (-11, 5), (i32::MIN, 0), (i32::MAX, 0), (60, 1), (0, 900)] {
        assert!(at(scale, offset).is_err(), "scale {scale}, offset {offset}");
    }
    // Below the range of doubles: the values are lost, as in the Agent.
    assert_eq!(at(0, i32::MIN), Ok(None));
    assert_eq!(Exponential::default().sketch(), Ok(None));
    let huge = [u64::MAX; 2];
    assert!(!Exponential { positive: Half { offset: 0, counts: &huge }, ..Exponential::default() }.fits());
}
