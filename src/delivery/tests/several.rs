//! Targets with several payloads per request.

use super::*;
use std::sync::atomic::Ordering::Relaxed;

/// Maps a request to payloads with this many spans, plus one without items. A span named `rejected` cannot be mapped.
pub(super) fn mapped(request: &Bytes, spans: usize) -> anyhow::Result<Mapped> {
    let request = ExportTraceServiceRequest::decode(request.clone())?;
    let all = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let names: Vec<String> = all.flat_map(|scope| scope.spans).map(|span| span.name).collect();
    let fit: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "rejected").collect();
    let payload = |names: &[&str]| Payload::of_request(Signal::Traces, frame_of(Signal::Traces, names).payload);
    let mut payloads: Vec<Payload> = fit.chunks(spans).map(payload).collect();
    payloads.push(Payload { items: 0, ..payload(&["statistics"]) });
    let rejected = (fit.len() < names.len())
        .then(|| Rejected { items: (names.len() - fit.len()) as u64, reason: "it fits none".to_owned() });
    Ok(Mapped { payloads, rejected: rejected.into_iter().collect() })
}

/// Outcome of a target that receives a request in concurrent parts with this many spans: a part with a rejected span is left.
pub(super) fn sent_in_parts(sink: &Sink, names: &[String], spans: usize) -> Outcome {
    let is_taken = |part: &&[String]| !part.iter().any(|name| Some(name.as_str()) == sink.refuses);
    let (taken, left): (Vec<&[String]>, Vec<&[String]>) = names.chunks(spans).partition(is_taken);
    let (taken, left) = (taken.concat(), left.concat());
    sink.taken.lock().extend(taken.iter().cloned());
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    let again = Payload::of_request(Signal::Traces, frame_of(Signal::Traces, &left).payload);
    let (taken, again) = (taken.len() as u64, (!left.is_empty()).then_some(again));
    Outcome::PartialSuccess { taken, refused: Vec::new(), again, after: Some(Duration::ZERO), reason: "400: no".into() }
}

/// Items and reasons of the dead letters.
async fn letters(bench: &Bench) -> Vec<(u64, String)> {
    bench.dead_letters().await.into_iter().map(|row| (row.letter.items, row.letter.reason)).collect()
}

#[tokio::test]
async fn a_frame_that_is_refused_costs_only_itself_also_where_there_is_a_second_payload() {
    let sink = Sink { several: Some(100), refuses: Some("bad"), ..Sink::default() };
    let bench = Bench::new(sink, &["a", "rejected", "bad", "c", "d"]);
    bench.run().await;
    let spans: Vec<String> = bench.taken().into_iter().filter(|name| name != "statistics").collect();
    assert_eq!(spans, ["a", "c", "d"], "each once");
    assert_eq!((bench.stats.sent_items.load(Relaxed), bench.stats.refused_items.load(Relaxed)), (3, 2));
    assert_eq!(letters(&bench).await, [(1, "it fits none".to_owned()), (1, "400: no".to_owned())]);
}

#[tokio::test]
async fn what_is_refused_behind_what_was_taken_is_cut_by_the_target_and_nothing_comes_twice() {
    let sink = Sink { several: Some(3), refuses: Some("bad"), ..Sink::default() };
    let bench = Bench::new(sink, &["a", "b", "c", "d", "bad", "e", "f"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c", "d", "e", "f", "statistics"]);
    assert_eq!((bench.stats.sent_items.load(Relaxed), bench.stats.refused_items.load(Relaxed)), (6, 1));
    assert_eq!(letters(&bench).await, [(1, "400: no".to_owned())]);
}

#[tokio::test]
async fn what_is_left_of_one_frame_is_cut_down_to_what_is_at_fault_without_a_wait() {
    let sink = Sink { in_parts: Some(3), refuses: Some("bad"), ..Sink::default() };
    let mut bench = Bench::new(sink, &[]);
    (bench.retry.initial_interval, bench.retry.max_interval) = (Duration::from_mins(1), Duration::from_mins(1));
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["a", "b", "c", "d", "bad", "e", "f"]));
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c", "f", "d", "e"], "each once");
    assert_eq!((bench.stats.sent_items.load(Relaxed), bench.stats.refused_items.load(Relaxed)), (6, 1));
    assert_eq!(letters(&bench).await, [(1, "400: no".to_owned())]);
    assert_eq!(bench.stats.standing().state, "ok");
}

#[tokio::test]
async fn several_dead_letters_of_one_place_are_all_kept() {
    let sink = Sink { several: Some(1), refuses: Some("bad"), ..Sink::default() };
    let bench = Bench::new(sink, &[]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["rejected", "bad", "a", "bad"]));
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "statistics"]);
    let refused = || (1, "400: no".to_owned());
    assert_eq!(letters(&bench).await, [(1, "it fits none".to_owned()), refused(), refused()]);
}

/// Twice more than fits into a column of the table `exporters`.
#[tokio::test]
async fn no_more_is_refused_than_was_sent_whatever_the_target_says() {
    let all = || Outcome::Delivered { rejected: u64::MAX / 2, message: "all of it".into() };
    let bench = Bench::new(Sink { answers: Mutex::new([all(), all()].into()), ..Sink::default() }, &["a"]);
    bench.run().await;
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["b", "c"]));
    bench.run().await;
    assert_eq!((bench.stats.sent_items.load(Relaxed), bench.stats.refused_items.load(Relaxed)), (0, 3));
    assert_eq!(letters(&bench).await, [(1, "all of it".to_owned()), (2, "all of it".to_owned())]);
}
