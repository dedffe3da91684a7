//! CPU time of an evaluation, as opposed to elapsed time.

use std::time::Duration;

/// CPU time of this thread; `None` if the system does not report it. An evaluation runs on one thread.
pub(super) fn used() -> Option<Duration> {
    // Time on the CPU in nanoseconds, time waiting for it, and number of time slices.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_costs_nothing_and_computing_does() {
        let Some(before) = used() else { return };
        std::thread::sleep(Duration::from_millis(200));
        let slept = used().unwrap();
        assert!(slept < before + Duration::from_millis(100), "{before:?}, then {slept:?}");
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            std::hint::black_box(began.elapsed());
        }
        // Regardless of the load, this thread got some CPU time.
        assert!(used().unwrap() > slept);
    }
}
