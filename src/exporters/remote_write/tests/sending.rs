//! Requests and the meaning of responses: the rules of the remote write specifications, 1.0 and 2.0.

use super::*;
use crate::delivery::Rejected;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use parking_lot::Mutex;

/// Content type, version and decompressed body.
type Seen = (String, String, Vec<u8>);
/// The response to a request of this version; a 1.0 request with native histograms is marked in the version.
type Answer = fn(&str) -> Response<Body>;
type Shared = Arc<(Mutex<Vec<Seen>>, Answer)>;

async fn server(answer: Answer) -> (RemoteWriteSettings, Shared) {
    let shared: Shared = Arc::new((Mutex::default(), answer));
    let handler = async |State(shared): State<Shared>, headers: HeaderMap, body: axum::body::Bytes| {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(text("content-encoding"), "snappy");
        assert!(text("user-agent").starts_with("spanwise/"));
        let mut version = text("x-prometheus-remote-write-version");
        let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let has_native =
            |request: proto::WriteRequest| request.timeseries.iter().any(|series| !series.histograms.is_empty());
        if version == "0.1.0" && proto::WriteRequest::decode(&*body).is_ok_and(has_native) {
            version.push_str(" with native histograms");
        }
        shared.0.lock().push((text("content-type"), version.clone(), body));
        shared.1(&version)
    };
    let router = Router::new().fallback(handler).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (settings(&format!("http://{address}/api/v1/write")), shared)
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

const ALL_WRITTEN: [(&str, &str); 2] =
    [("x-prometheus-remote-write-samples-written", "2"), ("x-prometheus-remote-write-histograms-written", "0")];
const ONE_WRITTEN: [(&str, &str); 1] = [("x-prometheus-remote-write-samples-written", "1")];

/// Two points.
fn payload(settings: &RemoteWriteSettings) -> Payload {
    let request = plain(vec![gauge("g", vec![number(5, 1.0, &[]), number(6, 2.0, &[])])]);
    mapped(settings, &request).payloads.remove(0)
}

async fn sent(of: Answer) -> (Outcome, Vec<Seen>) {
    let (settings, shared) = server(of).await;
    let outcome = target(&settings).send(&payload(&settings)).await;
    let seen = shared.0.lock().clone();
    (outcome, seen)
}

fn versions(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|(_, version, _)| version.as_str()).collect()
}

#[tokio::test]
async fn a_new_target_gets_the_new_message() {
    let (outcome, seen) = sent(|_| answer(204, &ALL_WRITTEN, "")).await;
    assert_eq!(outcome, Outcome::delivered());
    let (kind, version, body) = &seen[0];
    assert_eq!(kind, "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    assert_eq!((version.as_str(), seen.len()), ("2.0.0", 1));
    assert_eq!(lines(&Request::decode(&**body).unwrap()), ["__name__=g: 1 @5", "__name__=g: 2 @6"]);
}

/// 415; or a 2xx without written counts; or a 400 from a target that was never known to support 2.0.
#[tokio::test]
async fn an_old_target_gets_the_old_message_from_then_on() {
    let answers: [Answer; 3] = [
        |version| if version == "2.0.0" { answer(415, &[], "no") } else { answer(204, &[], "") },
        |_| answer(204, &[], ""),
        |version| if version == "2.0.0" { answer(400, &[], "what is it?") } else { answer(200, &[], "") },
    ];
    for of in answers {
        let (settings, shared) = server(of).await;
        let target = target(&settings);
        assert_eq!(target.send(&payload(&settings)).await, Outcome::delivered());
        assert_eq!(target.send(&payload(&settings)).await, Outcome::delivered());
        let seen = shared.0.lock().clone();
        assert_eq!(versions(&seen), ["2.0.0", "0.1.0", "0.1.0"]);
        let (kind, _, body) = &seen[2];
        assert_eq!(kind, "application/x-protobuf");
        let old = proto::WriteRequest::decode(&**body).unwrap();
        assert_eq!(old.timeseries[0].samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), [1.0, 2.0]);
    }
    let (settings, shared) = server(|_| answer(204, &[], "")).await;
    let settings = RemoteWriteSettings { message: MessageChoice::Old, ..settings };
    target(&settings).send(&payload(&settings)).await;
    assert_eq!(versions(&shared.0.lock()), ["0.1.0"]);
}

#[tokio::test]
async fn a_fault_is_no_reason_for_the_old_message_once_the_new_one_is_known() {
    let (settings, shared) = server(|_| answer(204, &ALL_WRITTEN, "")).await;
    let first = target(&settings);
    first.send(&payload(&settings)).await;
    let (other, _) = server(|_| answer(400, &[], "a bad label")).await;
    let moved = RemoteWrite { url: Url::parse(&other.endpoint).unwrap(), ..first };
    let outcome = moved.send(&payload(&settings)).await;
    assert_eq!(outcome, Outcome::Rejected("400 Bad Request: a bad label".into()));
    assert_eq!(shared.0.lock().len(), 1);
    // If neither is accepted, the request is at fault, and the version is negotiated again for the next one.
    let (outcome, seen) = sent(|_| answer(400, &[], "a bad label")).await;
    assert_eq!(outcome, Outcome::Rejected("400 Bad Request: a bad label".into()));
    assert_eq!(versions(&seen), ["2.0.0", "0.1.0"]);
}

#[tokio::test]
async fn what_the_target_did_not_write_is_told_by_number() {
    let (outcome, _) = sent(|_| answer(200, &ONE_WRITTEN, "")).await;
    let message = "200 OK (it wrote 1 of 2 samples)".to_owned();
    assert_eq!(outcome, Outcome::Delivered { rejected: 1, message });
    let (outcome, seen) = sent(|_| answer(400, &ONE_WRITTEN, "out of order sample\n")).await;
    let refused = vec![Rejected { items: 1, reason: "400 Bad Request: out of order sample".into() }];
    let expected = Outcome::PartialSuccess { taken: 1, refused, again: None, after: None, reason: String::new() };
    assert_eq!((outcome, versions(&seen)), (expected, vec!["2.0.0"]));
    let (outcome, _) = sent(|_| answer(400, &ALL_WRITTEN, "out of order exemplar")).await;
    assert_eq!(outcome, Outcome::delivered(), "all points were written");
}

/// Of three points, a native histogram and two classic ones of three numbers each, either the native one or one number was not
/// written.
#[test]
fn points_that_were_not_written_are_counted_as_well_as_can_be() {
    let sent = requests::Samples { numbers: 6, histograms: 1 };
    let rejected = |numbers, histograms| {
        let written = Some(requests::Samples { numbers, histograms });
        let web = web::Answer::read(StatusCode::OK, &HeaderMap::new(), Vec::new());
        let answer = answers::Answer { web, written, left_out: 0 };
        match answer.outcome(Message::New, sent, 3) {
            Outcome::Delivered { rejected, .. } => rejected,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([rejected(6, 1), rejected(6, 0), rejected(5, 1), rejected(3, 1), rejected(0, 0)], [0, 1, 1, 1, 3]);
}

#[tokio::test]
async fn only_what_may_go_well_later_is_sent_again() {
    let later = |after| Outcome::Retry { after, reason: String::new() };
    let expected: [(Answer, Outcome); 7] = [
        (|_| answer(429, &[("retry-after", "7")], ""), later(Some(Duration::from_secs(7)))),
        (|_| answer(503, &[("retry-after", "9")], ""), later(Some(Duration::from_secs(9)))),
        (|_| answer(500, &[], ""), later(None)),
        (|_| answer(401, &[], ""), later(None)),
        (|_| answer(413, &[], ""), Outcome::TooLarge(String::new())),
        (|_| answer(422, &[], ""), Outcome::Rejected(String::new())),
        (|_| answer(404, &[], ""), later(None)),
    ];
    for (of, expected) in expected {
        let found = match sent(of).await.0 {
            Outcome::Retry { after, .. } => later(after),
            Outcome::TooLarge(_) => Outcome::TooLarge(String::new()),
            Outcome::Rejected(_) => Outcome::Rejected(String::new()),
            Outcome::PermanentError(_) => Outcome::PermanentError(String::new()),
            other => other,
        };
        assert_eq!(found, expected);
    }
    let gone = settings("http://127.0.0.1:9/");
    assert!(matches!(target(&gone).send(&payload(&gone)).await, Outcome::Retry { after: None, .. }));
}

/// As Prometheus 2.42 responds: 500 for the whole request, every time.
#[tokio::test]
async fn a_target_without_native_histograms_gets_all_else() {
    let (settings, shared) = server(|version| match version {
        "0.1.0 with native histograms" => answer(500, &[], "native histograms are disabled"),
        _ => answer(204, &[], ""),
    })
    .await;
    let point = opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint {
        time_unix_nano: 5 * MS,
        ..Default::default()
    };
    let data = opentelemetry_proto::tonic::metrics::v1::ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: CUMULATIVE,
    };
    let request = plain(vec![gauge("g", vec![number(5, 1.0, &[])]), metric("e", "", Data::ExponentialHistogram(data))]);
    let payload = mapped(&settings, &request).payloads.remove(0);
    let target = target(&settings);
    let message = "204 No Content: native histograms are disabled there, see its --enable-feature=native-histograms";
    let expected = Outcome::Delivered { rejected: 1, message: message.into() };
    assert_eq!(target.send(&payload).await, expected);
    assert_eq!(target.send(&payload).await, expected);
    let seen = shared.0.lock().clone();
    assert_eq!(versions(&seen), ["2.0.0", "0.1.0 with native histograms", "0.1.0", "0.1.0"]);
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let (outcome, seen) = sent(|_| answer(200, &[], "<!DOCTYPE html><html><head><title>Sign in</title></head>")).await;
    let reason = "200 OK with an HTML page, \"Sign in\", which is not a response of the target: does a proxy respond? (is `endpoint` the full URL of the remote write receiver?)";
    assert_eq!(outcome, Outcome::Retry { after: None, reason: reason.into() });
    assert_eq!(versions(&seen), ["2.0.0"]);
    let (outcome, _) = sent(|_| answer(405, &[("content-type", "text/html; charset=utf-8")], "<p>no</p>")).await;
    let reason = "405 Method Not Allowed with an HTML page, which is not a response of the target: does a proxy respond? (is `endpoint` the full URL of the remote write receiver?)";
    assert_eq!(outcome, Outcome::Retry { after: None, reason: reason.into() });
}

/// The specification has the headers on every response, also if it is no verdict.
#[tokio::test]
async fn what_a_busy_target_wrote_of_a_request_does_not_bury_the_rest() {
    for of in [(|_: &str| answer(429, &ONE_WRITTEN, "slow down")) as Answer, |_| answer(401, &ONE_WRITTEN, "no")] {
        let (outcome, _) = sent(of).await;
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
    let (outcome, _) = sent(|_| answer(413, &ONE_WRITTEN, "too large")).await;
    assert!(matches!(outcome, Outcome::TooLarge(_)), "{outcome:?}");
}

/// Large requests are sent as concurrent parts with disjoint series; the outcome of a part affects only that part.
#[tokio::test]
async fn large_requests_go_side_by_side() {
    let (settings, shared) = server(|_| {
        let mut answer = answer(204, &[], "");
        answer.headers_mut().insert("x-prometheus-remote-write-samples-written", HeaderValue::from_static("999999"));
        answer
    })
    .await;
    let settings = RemoteWriteSettings { at_once: 3, ..settings };
    let payload = mapped(&settings, &packing::many(20_000)).payloads.remove(0);
    assert!(payload.body.len() > 3 * PART_BYTES_LEAST, "{}", payload.body.len());
    assert_eq!(target(&settings).send(&payload).await, Outcome::delivered());
    let seen = shared.0.lock().clone();
    assert_eq!(versions(&seen), ["2.0.0"; 3]);
    let mut all: Vec<String> = seen.iter().flat_map(|(_, _, body)| lines(&Request::decode(&**body).unwrap())).collect();
    all.sort();
    let mut expected = lines(&decoded(&payload));
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn parts_that_end_differently_are_told_apart() {
    let settings = settings("http://x/");
    let payload = mapped(&settings, &packing::many(8)).payloads.remove(0);
    let ended = |outcomes: [Outcome; 4]| {
        let parts = parts::of(&payload, requests::parts(&decoded(&payload), 4));
        assert!(parts.iter().all(|part| part.payload.items == 2));
        parts::together(&payload, parts.into_iter().zip(outcomes).collect())
    };
    let busy = |seconds| Outcome::Retry { after: Some(Duration::from_secs(seconds)), reason: "busy".into() };
    let malformed = || Outcome::Rejected("bad".into());
    let too_large = || Outcome::TooLarge("large".into());
    let one_less = || Outcome::Delivered { rejected: 1, message: "one".into() };
    assert_eq!(ended([busy(1), busy(7), busy(3), busy(2)]), busy(7));
    assert_eq!(ended([malformed(), malformed(), malformed(), malformed()]), malformed());
    // Nothing was accepted: that the target is up is not reported.
    assert_eq!(ended([busy(1), too_large(), busy(3), malformed()]), busy(3));
    assert_eq!(ended([malformed(), too_large(), malformed(), malformed()]), too_large());
    let delivered = Outcome::Delivered { rejected: 2, message: "one".into() };
    assert_eq!(ended([Outcome::delivered(), one_less(), one_less(), Outcome::delivered()]), delivered);
    let Outcome::PartialSuccess { taken, refused, again: Some(again), after, reason } =
        ended([one_less(), malformed(), busy(3), too_large()])
    else {
        panic!("in part");
    };
    let told: Vec<(u64, &str)> = refused.iter().map(|rejected| (rejected.items, rejected.reason.as_str())).collect();
    assert_eq!((taken, told), (1, vec![(1, "one")]));
    assert_eq!((again.items, after, reason.as_str()), (6, Some(Duration::from_secs(3)), "large"));
    assert_eq!(lines(&decoded(&again)), lines(&decoded(&payload))[2..], "what is malformed is cut where it is alone");
    let Outcome::PartialSuccess { taken, refused, again: Some(again), after, .. } =
        ended([Outcome::delivered(), Outcome::delivered(), malformed(), Outcome::delivered()])
    else {
        panic!("in part");
    };
    assert_eq!((taken, refused, again.items, after), (6, Vec::new(), 2, Some(Duration::ZERO)));
    assert_eq!(lines(&decoded(&again)), lines(&decoded(&payload))[4..6]);
}
