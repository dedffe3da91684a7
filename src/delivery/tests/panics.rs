//! Cost of a panic: the item that causes it, after a few attempts.

use super::*;

/// Panics if the sink should, for these spans.
pub(super) fn over(sink: &Sink, names: &[String]) {
    let mut panics = sink.panics.lock();
    if panics.1 == 0 || !names.iter().any(|name| name == panics.0) {
        return;
    }
    panics.1 -= 1;
    drop(panics);
    panic!("a test's own panic, over {names:?}");
}

#[tokio::test]
async fn a_panic_costs_the_item_that_causes_it_and_is_bounded() {
    let bench = Bench::new(Sink { panics: Mutex::new(("bad", usize::MAX)), ..Sink::default() }, &["a"]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["b", "bad", "c", "d"]));
    bench.frames.frames.lock().push(frame(Signal::Traces, "e"));
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c", "d", "e"], "each once");
    // Three times all of it; then a, (b bad c d, e), (b bad c d), (b bad), b, bad, (c d), e.
    assert_eq!(*bench.target.attempts.lock(), 3 + 8);
    let letters = bench.dead_letters().await;
    let letter = &letters[0].letter;
    assert_eq!((letters.len(), letter.items, letter.position), (1, 1, Some(2)));
    let reason = "the exporter panicked on it: it panicked: a test's own panic, over [\"bad\"]";
    assert_eq!(letter.reason, reason);
    assert_eq!(bench.stats.standing().state, "ok");
}

#[tokio::test]
async fn a_panic_of_the_moment_costs_nothing() {
    let bench = Bench::new(Sink { panics: Mutex::new(("a", 2)), ..Sink::default() }, &["a", "b"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b"]);
    assert!(bench.dead_letters().await.is_empty());
}

#[tokio::test]
async fn an_exporter_that_always_panics_is_no_storm() {
    let names = vec!["bad"; 400];
    let bench = {
        let mut bench = Bench::new(Sink { panics: Mutex::new(("bad", usize::MAX)), ..Sink::default() }, &names);
        (bench.retry.max_interval, bench.items_max) = (Duration::from_millis(100), 1);
        bench
    };
    let (is_cut_short, attempts) = pace::attempts_in(&bench, Duration::from_secs(1)).await;
    assert!(is_cut_short && attempts <= pace::ALLOWED, "{attempts}");
}
