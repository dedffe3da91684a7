//! Several senders of one series. Expected values: the increase of each sender, by hand.

use super::*;

fn totals(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: CUMULATIVE, is_monotonic: true })
}

fn up_down(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: CUMULATIVE, is_monotonic: false })
}

/// Output for points that arrive one after the other: sender, start, time and value.
fn told(
    state: &mut ToCumulative,
    of: fn(Vec<NumberDataPoint>) -> Data,
    points: &[(&str, u64, u64, i64)],
) -> Vec<(u64, u64, i64)> {
    points
        .iter()
        .flat_map(|(from, start, time, value)| came_of(state, from, of(vec![number(*start, *time, *value)])))
        .collect()
}

/// They differ in an attribute that is not one of the target's labels.
#[test]
fn deltas_of_several_senders_are_one_sum_whose_times_ascend() {
    let points =
        [("a@1", 10, 20, 5), ("a@2", 10, 20, 40), ("a@2", 20, 30, 1), ("a@1", 20, 25, 2), ("a@3", 20, 40, 100)];
    let expected = [(10, 20, 5), (10, 21, 45), (10, 30, 46), (10, 31, 48), (10, 40, 148)];
    let mut state = stage();
    assert_eq!(told(&mut state, sum, &points), expected);
    // A sender that repeats itself adds nothing.
    assert_eq!(told(&mut state, sum, &[("a@1", 20, 25, 2), ("b@1", 10, 20, 7)]), [(10, 20, 7)]);
    assert_eq!(left_out(&mut state), 1);
}

#[test]
fn totals_of_one_sender_go_on_as_they_came() {
    let mut state = stage();
    for (time, value) in [(20, 5), (30, 9), (30, 9), (25, 7), (40, 2)] {
        let request = request("a@1", totals(vec![number(10, time, value)]));
        assert_eq!(state.pass(request.clone()).unwrap(), request);
    }
}

#[test]
fn totals_of_several_senders_are_the_sum_of_what_each_has_counted() {
    let points = [
        ("a@1", 10, 100, 10),
        ("a@2", 20, 105, 5),
        ("a@1", 10, 200, 20),
        ("a@2", 20, 200, 15),
        // It was restarted: 3 more.
        ("a@1", 250, 300, 3),
        // It decreased without a new start: 4 more.
        ("a@2", 20, 305, 4),
    ];
    let expected = [(10, 100, 10), (10, 105, 15), (10, 200, 25), (10, 201, 35), (10, 300, 38), (10, 305, 42)];
    assert_eq!(told(&mut stage(), totals, &points), expected);
}

/// A process that takes over from another one is not summed with it: to Prometheus that is a counter reset.
#[test]
fn a_successor_is_no_second_sender_unless_the_first_comes_back() {
    let mut state = stage();
    assert_eq!(told(&mut state, totals, &[("a@1", 10, 100, 50), ("a@2", 100, 160, 4)]), [(10, 100, 50), (100, 160, 4)]);
    // 7 more than its last point, and then 2 more from the other.
    assert_eq!(
        told(&mut state, totals, &[("a@1", 10, 170, 57), ("a@2", 100, 220, 6)]),
        [(100, 170, 11), (100, 220, 13)]
    );
}

#[test]
fn after_a_restart_a_shared_sum_begins_anew_with_what_is_added() {
    let mut state = stage();
    state.seen_since(100 * MS);
    for (from, time, value) in [("a@1", 100, 10), ("a@2", 105, 5), ("b@1", 100, 70)] {
        state.learn(request(from, totals(vec![number(10, time, value)]))).unwrap();
    }
    let points = [
        ("a@2", 10, 205, 8),
        ("a@1", 10, 206, 11),
        // It began after everything that was read, so its count is new; for the next one that is unknown.
        ("a@3", 150, 210, 30),
        ("a@4", 20, 220, 900),
        ("a@4", 20, 320, 905),
        ("b@1", 10, 200, 71),
    ];
    let expected = [(106, 205, 3), (106, 206, 4), (106, 210, 34), (106, 220, 34), (106, 320, 39), (10, 200, 71)];
    assert_eq!(told(&mut state, totals, &points), expected);
}

#[test]
fn what_may_go_down_is_the_sum_of_those_that_are_there() {
    let minutes = |minutes: u64| minutes * 60_000;
    let points = [
        ("a@1", 0, minutes(1), 7),
        ("a@2", 0, minutes(2), 4),
        ("a@1", 0, minutes(3), 2),
        // The other has been silent for more than five minutes.
        ("a@1", 0, minutes(8), 3),
    ];
    let expected = [(0, minutes(1), 7), (0, minutes(2), 11), (0, minutes(3), 6), (0, minutes(8), 3)];
    assert_eq!(told(&mut stage(), up_down, &points), expected);
    let mut state = stage();
    for (from, time, value) in [("a@1", 100, 10), ("a@2", 105, 5)] {
        state.learn(request(from, up_down(vec![number(0, time, value)]))).unwrap();
    }
    assert_eq!(told(&mut state, up_down, &[("a@2", 0, 205, 8)]), [(0, 205, 18)]);
}

#[test]
fn the_end_of_one_sender_is_not_the_end_of_all() {
    let ends = |from, time| request(from, totals(vec![NumberDataPoint { flags: ENDS, ..number(10, time, 0) }]));
    let mut state = stage();
    told(&mut state, totals, &[("a@1", 10, 100, 10), ("a@2", 10, 105, 5)]);
    let left = |request: &Bytes| match data(request) {
        Data::Sum(sum) => sum.data_points.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(left(&state.pass(ends("a@1", 200)).unwrap()), 0);
    assert_eq!(told(&mut state, totals, &[("a@2", 10, 205, 6)]), [(10, 205, 16)]);
    assert_eq!(left(&state.pass(ends("a@2", 300)).unwrap()), 1);
    // It continues where it was.
    assert_eq!(told(&mut state, totals, &[("a@1", 10, 400, 12)]), [(301, 400, 2)]);
}

#[test]
fn histograms_with_other_bounds_are_added_at_those_that_all_have() {
    let point = |time: u64, bounds: &[f64], counts: &[u64]| HistogramDataPoint {
        start_time_unix_nano: 10 * MS,
        time_unix_nano: time * MS,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(1.5),
        ..HistogramDataPoint::default()
    };
    let mut state = stage();
    let mut told = |from: &str, temporality, point| {
        let histogram = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: temporality });
        let Data::Histogram(out) = data(&state.pass(request(from, histogram)).unwrap()) else { panic!() };
        let one = &out.data_points[0];
        (one.explicit_bounds.clone(), one.bucket_counts.clone(), one.count, one.sum)
    };
    told("a@1", CUMULATIVE, point(20, &[0.5, 2.0], &[1, 2, 4]));
    assert_eq!(told("a@2", CUMULATIVE, point(30, &[0.5, 3.0], &[5, 1, 1])), (vec![0.5], vec![6, 8], 14, Some(3.0)));
    assert_eq!(told("a@1", CUMULATIVE, point(40, &[0.5, 2.0], &[2, 2, 4])), (vec![0.5], vec![7, 8], 15, Some(3.0)));
    assert_eq!(told("a@3", DELTA, point(50, &[0.5, 2.0], &[1, 1, 1])), (vec![0.5], vec![8, 10], 18, Some(4.5)));
}

/// Nothing is added to an invalid value; the mapping reports the fault.
#[test]
fn what_is_wrong_with_one_point_does_not_spoil_the_sum() {
    let mut state = stage();
    let points = vec![number(10, 20, 5), number(20, 30, -3), number(30, 40, 1)];
    assert_eq!(passed(&mut state, "a", points), [(10, 20, 5), (20, 30, -3), (10, 40, 6)]);
}

/// More than a thousand points a second are combined, so that no sum runs ahead of its time.
#[test]
fn a_sum_is_told_no_more_than_a_second_ahead() {
    let mut state = stage();
    let mut told = Vec::new();
    for sender in 0..2000 {
        told.extend(passed(&mut state, &format!("a@{sender}"), vec![number(10, 20, 1)]));
    }
    assert_eq!((told.len(), told.last()), (1001, Some(&(10, 1020, 1001))));
    assert_eq!(passed(&mut state, "a@0", vec![number(20, 2000, 1)]), [(10, 2000, 2001)]);
}

#[test]
fn senders_of_a_series_are_bounded() {
    let mut state = stage();
    for sender in 0..15_000 {
        passed(&mut state, &format!("a@{sender}"), vec![number(10, 20 + sender, 1)]);
    }
    assert!(state.senders.len() <= 10_001, "{}", state.senders.len());
    assert_eq!(passed(&mut state, "a@0", vec![number(10, 30_000, 1)]), [(10, 30_000, 15_001)]);
    // Silent for more than an hour, they are forgotten when others come.
    for sender in 0..11_000 {
        passed(&mut state, &format!("a@late{sender}"), vec![number(10, 8_000_000 + sender, 1)]);
    }
    assert_eq!(state.series.len(), 1);
    assert!(state.bytes <= SERIES_BYTES + 10_001 * SENDER_BYTES, "{}", state.bytes);
}

#[test]
fn totals_of_one_sender_push_no_sum_out() {
    // Room for two series.
    let mut state = ToCumulative::new(2 * (SERIES_BYTES + SENDER_BYTES), Box::new(ByService));
    for round in 1..=5 {
        let (before, time) = (10 * round, 10 * round + 10);
        let expected = 5 * i64::try_from(round).unwrap();
        assert_eq!(came_of(&mut state, "a", sum(vec![number(before, time, 5)])), [(10, time, expected)]);
        for other in ["b", "c", "d"] {
            came_of(&mut state, other, totals(vec![number(10, time, 7)]));
        }
    }
    assert_eq!(state.forgotten, 0);
}

/// Also if nothing indicates which of them was heard from first.
#[test]
fn senders_of_one_series_are_bounded() {
    let mut state = ToCumulative::new(64 << 10, Box::new(ByService));
    came_of(&mut state, "b", sum(vec![number(10, 20, 1)]));
    for host in 0..2000 {
        came_of(&mut state, &format!("a@{host}"), sum(vec![number(10, 20, 1)]));
    }
    assert!(state.bytes <= 64 << 10, "{} bytes", state.bytes);
    assert_eq!(state.series.len(), 2, "the other series is still known");
    assert_eq!(state.senders.len(), state.series.values().map(Series::senders).sum::<usize>());
}

#[test]
fn a_total_whose_start_is_not_known_adds_what_is_new() {
    let points = [
        ("a@1", 10, 100, 1000),
        ("a@2", 20, 105, 5),
        // Its Collector was restarted: in OTLP a start equal to the point's own time is invalid.
        ("a@1", 200, 200, 1003),
        // A third sender with an unknown start.
        ("a@3", 210, 210, 7_000_000),
        ("a@3", 210, 220, 7_000_002),
        // Its count restarted at an unknown time.
        ("a@3", 230, 230, 500),
        ("a@3", 230, 240, 501),
    ];
    let expected = [
        (10, 100, 1000),
        (10, 105, 1005),
        (10, 200, 1008),
        (10, 210, 1008),
        (10, 220, 1010),
        (10, 230, 1010),
        (10, 240, 1011),
    ];
    assert_eq!(told(&mut stage(), totals, &points), expected);
}

/// A start equal to the time of its point is invalid, and later points repeat it: the target gets no time at which the counter
/// would have been zero.
#[test]
fn a_start_that_is_not_known_is_told_to_nobody() {
    let points = [
        ("a@1", 100, 100, 1_000_000),
        ("a@1", 100, 110, 1_000_010),
        // A reset at a known time, and one at an unknown time.
        ("a@1", 115, 120, 5),
        ("a@1", 130, 130, 7),
        ("a@1", 130, 140, 8),
        // It moves with each point.
        ("a@1", 150, 150, 9),
        ("a@1", 160, 160, 10),
    ];
    // If start and time are equal, the mapping leaves the start out.
    let expected = [(100, 100), (0, 110), (115, 120), (130, 130), (0, 140), (150, 150), (160, 160)];
    let mut state = stage();
    let told = told(&mut state, totals, &points);
    assert_eq!(told.iter().map(|point| (point.0, point.1)).collect::<Vec<_>>(), expected);
    assert_eq!(told.iter().map(|point| point.2).collect::<Vec<_>>(), points.map(|point| point.3));
    // A second sender appears: the sum of both has an unknown start.
    let mut state = stage();
    let points = [("a@1", 100, 100, 70), ("a@1", 100, 110, 72), ("a@2", 105, 115, 4), ("a@1", 100, 120, 73)];
    assert_eq!(self::told(&mut state, totals, &points), [(100, 100, 70), (0, 110, 72), (0, 115, 76), (0, 120, 77)]);
}

#[test]
fn a_restart_knows_which_starts_are_none() {
    let mut state = stage();
    state.learn(request("a@1", totals(vec![number(100, 100, 1_000_000)]))).unwrap();
    assert_eq!(told(&mut state, totals, &[("a@1", 100, 110, 1_000_010)]), [(0, 110, 1_000_010)]);
}

/// It cannot be known to succeed another sender: it adds its increase.
#[test]
fn a_sender_whose_start_is_not_known_takes_nobodys_place() {
    let points = [("a@1", 10, 100, 50), ("a@2", 200, 200, 7_000_000), ("a@2", 200, 210, 7_000_001)];
    assert_eq!(told(&mut stage(), totals, &points), [(10, 100, 50), (10, 200, 50), (10, 210, 51)]);
}

/// What the target got before its exporter read here is not counted again when a second sender appears.
#[test]
fn what_began_before_all_that_was_read_adds_what_is_new() {
    let mut state = stage();
    state.seen_since(50 * MS);
    let points = [("a@1", 10, 100, 1000), ("a@2", 20, 105, 500), ("a@2", 20, 110, 501), ("a@3", 60, 115, 8)];
    assert_eq!(told(&mut state, totals, &points), [(10, 100, 1000), (10, 105, 1000), (10, 110, 1001), (10, 115, 1009)]);
}

#[test]
fn one_wild_start_makes_nobody_elses_count_nothing() {
    let mut state = ToCumulative::new(SERIES_BYTES + SENDER_BYTES, Box::new(ByService));
    let wild = NumberDataPoint { start_time_unix_nano: u64::MAX - 1, ..number(0, 20, 5) };
    came_of(&mut state, "w", totals(vec![wild]));
    let points = [("a@1", 30, 40, 10), ("a@2", 35, 45, 15)];
    assert_eq!(told(&mut state, totals, &points), [(30, 40, 10), (30, 45, 25)]);
}
