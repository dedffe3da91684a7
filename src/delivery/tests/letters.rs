//! Dead letters: when they are written, and what happens if that fails.

use super::*;
use std::sync::atomic::Ordering::Relaxed;

#[tokio::test]
async fn dead_letters_of_a_batch_are_written_together() {
    let sink = Sink { several: Some(1), refuses: Some("bad"), ..Sink::default() };
    let bench = Bench::new(sink, &[]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["bad"; 60]));
    bench.run().await;
    assert_eq!((bench.dead_letters().await.len(), *bench.scratch.state.deliveries().borrow()), (60, 1));
}

#[tokio::test]
async fn nothing_is_sent_again_while_dead_letters_cannot_be_written() {
    let bench = Bench::new(Sink { refuses: Some("bad"), ..Sink::default() }, &["a", "bad", "b"]);
    let state = &bench.scratch.state;
    state.break_table("dead_letters").await;
    let has_room_again = async {
        while !bench.stats.standing().last_error.is_some_and(|error| error.contains("full")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        state.heal("dead_letters").await;
    };
    tokio::join!(bench.run(), has_room_again);
    assert_eq!(bench.taken(), ["a", "b"], "each once");
    assert_eq!(bench.stats.refused_items.load(Relaxed), 1, "counted once");
    assert_eq!(bench.dead_letters().await.len(), 1, "and kept");
}

#[tokio::test]
async fn a_dead_letter_does_not_wait_for_what_is_put_off_beside_it() {
    let in_part = Outcome::PartialSuccess {
        taken: 1,
        refused: vec![Rejected { items: 1, reason: "mapping".into() }],
        again: Some(Payload::of_request(Signal::Traces, frame(Signal::Traces, "c").payload)),
        after: Some(Duration::from_hours(1)),
        reason: "429".into(),
    };
    let bench = Bench::new(Sink { answers: Mutex::new([in_part].into()), ..Sink::default() }, &[]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["a", "b", "c"]));
    assert!(bench.is_cut_short(Duration::from_millis(1500)).await);
    assert_eq!(bench.dead_letters().await.len(), 1);
}
