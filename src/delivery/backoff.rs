//! Backoff: how long to wait after a failure.

use crate::delivery::settings::RetrySettings;
use std::time::{Duration, Instant};

/// Upper limit for the wait that a target asks for: a misconfigured proxy must not stall a signal for a year.
pub(super) const ASKED_MAX: Duration = Duration::from_hours(1);

/// Exponential backoff with jitter, so that senders do not retry in lockstep.
#[derive(Debug)]
pub struct Backoff {
    settings: RetrySettings,
    interval: Duration,
    began: Instant,
}

impl Backoff {
    /// Starts a new sequence of waits.
    #[must_use]
    pub fn new(settings: &RetrySettings) -> Backoff {
        Backoff { interval: settings.initial_interval, settings: settings.clone(), began: Instant::now() }
    }

    /// Returns the next wait, never shorter than the target asks for, or `None` when it is time to give up.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let settings = &self.settings;
        let too_long = !settings.max_elapsed_time.is_zero() && self.began.elapsed() >= settings.max_elapsed_time;
        if !settings.enabled || too_long {
            return None;
        }
        let spread = settings.randomization_factor.clamp(0.0, 1.0);
        let factor = 1.0 - spread + 2.0 * spread * rand::random::<f64>();
        let wait = self.interval.min(settings.max_interval).mul_f64(factor);
        self.interval = self.interval.mul_f64(settings.multiplier.max(1.0)).min(settings.max_interval);
        Some(wait.max(asked.unwrap_or_default().min(ASKED_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RetrySettings {
        RetrySettings {
            initial_interval: Duration::from_secs(4),
            max_interval: Duration::from_secs(10),
            multiplier: 2.0,
            randomization_factor: 0.0,
            ..RetrySettings::default()
        }
    }

    #[test]
    fn it_grows_to_its_bound_and_obeys_the_target() {
        let mut backoff = Backoff::new(&settings());
        let waits: Vec<_> = (0..4).filter_map(|_| backoff.next(None)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [4, 8, 10, 10]);
        assert_eq!(backoff.next(Some(Duration::from_mins(1))), Some(Duration::from_mins(1)));
        assert_eq!(backoff.next(Some(Duration::from_hours(8760))), Some(ASKED_MAX));
    }

    #[test]
    fn it_gives_up_where_it_is_told_to() {
        assert_eq!(Backoff::new(&RetrySettings { enabled: false, ..settings() }).next(None), None);
        let soon = RetrySettings { max_elapsed_time: Duration::from_nanos(1), ..settings() };
        let mut backoff = Backoff::new(&soon);
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(backoff.next(None), None);
    }
}
