//! What work has cost, as opposed to how long it took.

use std::time::Duration;

/// CPU time that this thread has used; `None` where the system does not say. What is evaluated runs on one thread.
pub(super) fn used() -> Option<Duration> {
    // Time on the CPU in nanoseconds, time waiting for it, and how often it had it.
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
        // However many others want the machine, some of it was this thread's.
        assert!(used().unwrap() > slept);
    }
}
