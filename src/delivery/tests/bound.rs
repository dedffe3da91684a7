//! A reader that falls behind its limit.

use super::*;

#[tokio::test]
async fn a_reader_past_its_bound_goes_on_without_the_oldest_where_it_is_told_to() {
    let answers = std::iter::repeat_with(retry).take(1_000_000).collect();
    let mut bench = Bench::new(Sink { answers: Mutex::new(answers), ..Sink::default() }, &["a", "b", "c", "d"]);
    bench.queue = QueueSettings { bytes_max: Some(199), drops_oldest: true, ..bench.queue };
    assert!(bench.is_cut_short(Duration::from_millis(200)).await, "what is within the bound waits");
    assert_eq!(bench.stats.dropped_items.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert!(bench.stats.standing().last_dropped.is_some());
    bench.target.answers.lock().clear();
    bench.run().await;
    assert_eq!(bench.taken(), ["c", "d"]);
}

#[tokio::test]
async fn a_reader_past_its_bound_holds_senders_back_and_drops_nothing() {
    let answers = std::iter::repeat_with(retry).take(1_000_000).collect();
    let mut bench = Bench::new(Sink { answers: Mutex::new(answers), ..Sink::default() }, &["a", "b", "c"]);
    bench.queue = QueueSettings { bytes_max: Some(250), ..bench.queue };
    assert!(bench.is_cut_short(Duration::from_millis(1500)).await);
    let holds = bench.frames.holds.lock().clone();
    assert!(holds.contains(&Some("300 bytes wait to be sent, the limit is 250".to_owned())), "{holds:?}");
    assert_eq!(holds.last(), Some(&None), "nobody is held back for a reader that is gone");
    bench.target.answers.lock().clear();
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"]);
    assert_eq!(bench.frames.holds.lock().last(), Some(&None));
}
