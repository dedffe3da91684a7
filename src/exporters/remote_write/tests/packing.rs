//! Complete requests: their limits, their halves, and their conversion to 1.0.

use super::*;
use std::collections::BTreeSet;

pub(super) fn many(number_of: usize) -> Bytes {
    let point = |n: usize| number(5000, 1.0, &[("n", &format!("{n:030}")), ("of", "many")]);
    plain(vec![counter("many", (0..number_of).map(point).collect())])
}

#[test]
fn requests_keep_their_bound_and_each_series_stands_in_one() {
    for (bytes_max, expected) in [(3_000_000, 1..=1), (20_000, 10..=40)] {
        let settings = RemoteWriteSettings { bytes_max, ..settings("http://x/") };
        let mapped = mapped(&settings, &many(4000));
        assert!(expected.contains(&mapped.payloads.len()), "{bytes_max}: {}", mapped.payloads.len());
        assert!(mapped.payloads.iter().all(|payload| payload.body.len() <= bytes_max));
        assert_eq!(mapped.payloads.iter().map(|payload| payload.items).sum::<u64>(), 4000);
        let all: Vec<String> = mapped.payloads.iter().flat_map(|payload| lines(&decoded(payload))).collect();
        assert_eq!(all.len(), 4000);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4000);
    }
}

#[test]
fn a_request_that_is_too_large_becomes_two_that_say_the_same() {
    let settings = settings("http://x/");
    let payload = mapped(&settings, &many(5)).payloads.remove(0);
    let (first, rest) = target(&settings).split(&payload).unwrap();
    assert_eq!((first.items, rest.items), (3, 2));
    assert!(first.body.len() < payload.body.len());
    let both = [lines(&decoded(&first)), lines(&decoded(&rest))].concat();
    assert_eq!(both, lines(&decoded(&payload)));
    let joined = requests::joined(&[decoded(&first), decoded(&rest)]);
    assert_eq!(lines(&joined), lines(&decoded(&payload)));
    let texts = |request: Request| request.symbols.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(texts(joined), texts(decoded(&payload)));
    let one = mapped(&settings, &many(1)).payloads.remove(0);
    assert_eq!(target(&settings).split(&one), None);
}

#[test]
fn in_1_0_texts_stand_in_full_and_there_are_no_starts() {
    let histogram = opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint {
        start_time_unix_nano: MS,
        time_unix_nano: 5 * MS,
        count: 2,
        sum: Some(1.0),
        ..Default::default()
    };
    let data = opentelemetry_proto::tonic::metrics::v1::Histogram {
        data_points: vec![histogram],
        aggregation_temporality: CUMULATIVE,
    };
    let request =
        plain(vec![counter("c", vec![number(5000, 2.0, &[("a", "b")])]), metric("h", "s", Data::Histogram(data))]);
    let request = decoded(&mapped(&settings("http://x/"), &request).payloads[0]);
    let old = requests::as_old(&request, true);
    let series = &old.timeseries[0];
    let labels: Vec<(&str, &str)> = series.labels.iter().map(|label| (&*label.name, &*label.value)).collect();
    assert_eq!(labels, [("__name__", "c_total"), ("a", "b")]);
    assert_eq!((series.samples[0].value, series.samples[0].start_timestamp), (2.0, 0));
    let told: Vec<(&str, i32, &str)> =
        old.metadata.iter().map(|of| (&*of.metric_family_name, of.r#type, &*of.unit)).collect();
    assert_eq!(told, [("c_total", 1, ""), ("h_seconds", 3, "seconds")]);
    assert_eq!(requests::as_old(&request, false).metadata, []);
}

#[test]
fn what_is_told_of_a_resource_never_goes_back_in_time() {
    let infos = Infos::new("target_info".into());
    let of = |time| {
        let resource = of_resource(
            &[("service.name", "a"), ("os", "l")],
            ("", ""),
            vec![gauge("g", vec![number(time, 1.0, &[])])],
        );
        decoded(&mapped(&settings("http://x/"), &encoded(vec![resource])).payloads[0])
    };
    infos.sent(&of(7));
    let mut late = of(6);
    infos.drop_late(&mut late);
    assert_eq!(lines(&late), ["__name__=g job=a: 1 @6"]);
    let mut newer = of(8);
    infos.drop_late(&mut newer);
    assert_eq!(lines(&newer).len(), 2);
}
