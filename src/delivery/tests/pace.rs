//! Request rate to a target that accepts nothing, and what others can send meanwhile.

use super::*;

#[tokio::test]
async fn a_batch_that_is_put_off_for_ever_holds_up_no_batch_beside_it() {
    let sink = Sink { puts_off: Some("stuck"), ..Sink::default() };
    let mut bench = Bench::new(sink, &["stuck", "a", "b"]);
    bench.queue.consumers = 4;
    bench.items_max = 1;
    // Start with only a few, so that the circuit is open before the others come.
    let more = async {
        while *bench.target.attempts.lock() < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.frames.frames.lock().push(frame(Signal::Traces, "late"));
        bench.frames.more.notify_one();
    };
    let (is_cut_short, ()) = tokio::join!(bench.is_cut_short(Duration::from_millis(800)), more);
    assert!(is_cut_short, "what is put off waits");
    let mut taken = bench.taken();
    taken.sort();
    assert_eq!(taken, ["a", "b", "late"]);
    assert_eq!(
        bench.scratch.state.cursor("exporter:otlp/traces").await.unwrap(),
        Position(0),
        "and is not passed over"
    );
}

/// Items waiting for a retry do not delay others that the target would accept.
#[tokio::test]
async fn items_that_are_put_back_wait_without_the_turn_of_the_others() {
    let again = Payload::of_request(Signal::Traces, frame(Signal::Traces, "busy").payload);
    let after = Some(Duration::from_millis(400));
    let in_part =
        Outcome::PartialSuccess { taken: 0, refused: Vec::new(), again: Some(again), after, reason: "429".into() };
    let answers = Mutex::new([retry(), retry(), retry(), retry(), in_part].into());
    let mut bench = Bench::new(Sink { answers, ..Sink::default() }, &["busy", "a", "b", "c"]);
    bench.queue.consumers = 4;
    bench.items_max = 1;
    let cut_short = bench.is_cut_short(Duration::from_millis(200)).await;
    assert!(cut_short && bench.taken().len() == 3, "{:?}", bench.taken());
}

#[tokio::test]
async fn a_target_for_which_everything_is_too_large_is_asked_less_and_less_often() {
    let names: Vec<String> = (0..400).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = |largest| {
        let mut bench = Bench::new(Sink { largest: Some(largest), ..Sink::default() }, &[]);
        bench.retry.max_interval = Duration::from_millis(100);
        bench.frames.frames.lock().push(frame_of(Signal::Traces, &names));
        bench
    };
    let nothing = bench(0);
    assert!(nothing.is_cut_short(Duration::from_secs(1)).await, "it goes on at its pace");
    let attempts = *nothing.target.attempts.lock();
    assert!((65..90).contains(&attempts), "64 at once, and then 10 a second: {attempts}");
    assert_eq!(nothing.stats.standing().state, "retrying");
    // A target that accepts a little is tried as often as it does.
    let little = bench(1);
    little.run().await;
    assert_eq!((little.taken().len(), little.stats.standing().state), (400, "ok"));
}

/// Maximum requests in a second to a target that accepts nothing, with 100 ms between them: 64 at once, one more before the
/// slowdown, and ten; a busy machine may make the second longer.
pub(super) const ALLOWED: usize = 64 + 1 + 2 * 10;

/// Returns whether anything was left to send after this long, and how many requests were sent.
pub(super) async fn attempts_in(bench: &Bench, time: Duration) -> (bool, usize) {
    let is_cut_short = bench.is_cut_short(time).await;
    (is_cut_short, *bench.target.attempts.lock())
}

#[tokio::test]
async fn a_target_that_refuses_everything_is_asked_less_and_less_often() {
    let answers: [fn() -> Outcome; 4] = [
        || Outcome::Rejected("400 Bad Request".into()),
        || Outcome::PermanentError("415 Unsupported Media Type".into()),
        || Outcome::Delivered { rejected: 1, message: "no".into() },
        || Outcome::PartialSuccess {
            taken: 0,
            refused: vec![Rejected { items: 1, reason: "no".into() }],
            again: None,
            after: None,
            reason: String::new(),
        },
    ];
    for answer in answers {
        let answers = Mutex::new(std::iter::repeat_with(answer).take(1000).collect());
        let mut bench = Bench::new(Sink { answers, ..Sink::default() }, &["a"; 400]);
        (bench.retry.max_interval, bench.items_max) = (Duration::from_millis(100), 1);
        let (is_cut_short, attempts) = attempts_in(&bench, Duration::from_secs(1)).await;
        assert!(is_cut_short && (65..=ALLOWED).contains(&attempts), "{:?}: {attempts}", answer());
        assert_eq!(bench.stats.standing().state, "retrying");
    }
}

#[tokio::test]
async fn many_that_are_refused_among_others_slow_nothing_down() {
    let names: Vec<&str> = (0..400).map(|number| if number % 2 == 0 { "bad" } else { "good" }).collect();
    let mut bench = Bench::new(Sink { refuses: Some("bad"), ..Sink::default() }, &names);
    bench.retry.max_interval = Duration::from_mins(1);
    bench.run().await;
    assert_eq!((bench.taken().len(), bench.stats.standing().state), (200, "ok"));
}
