//! A rate limit: requests and bytes a second, averaged over a second.

use crate::delivery::settings::RateSettings;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// Shared by everything that sends to one target.
#[derive(Debug)]
pub struct Rate {
    settings: RateSettings,
    /// When the budget for everything sent so far is replenished.
    paid: Mutex<Instant>,
}

impl Rate {
    /// Starts with nothing sent.
    #[must_use]
    pub fn new(settings: RateSettings) -> Rate {
        Rate { settings, paid: Mutex::new(Instant::now()) }
    }

    /// Waits until a request of `bytes` may be sent.
    pub(super) async fn pass(&self, bytes: usize) {
        let cost = self.cost(bytes);
        if cost.is_zero() {
            return;
        }
        let from = {
            let now = Instant::now();
            let mut paid = self.paid.lock();
            let from = (*paid).max(now);
            *paid = from + cost;
            from
        };
        tokio::time::sleep_until(from).await;
    }

    fn cost(&self, bytes: usize) -> Duration {
        let RateSettings { requests_per_second, bytes_per_second } = self.settings;
        #[expect(clippy::cast_precision_loss, reason = "a share of a second")]
        let of_bytes = bytes_per_second.map_or(0.0, |limit| bytes as f64 / limit);
        let of_requests = requests_per_second.map_or(0.0, |limit| 1.0 / limit);
        Duration::try_from_secs_f64(of_bytes.max(of_requests)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_and_bytes_keep_the_rate() {
        let began = Instant::now();
        let rate = Rate::new(RateSettings { requests_per_second: Some(100.0), bytes_per_second: Some(10_000.0) });
        for _ in 0..6 {
            rate.pass(10).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(50), "the sixth waits for five");
        let began = Instant::now();
        rate.pass(2000).await;
        rate.pass(10).await;
        assert!(began.elapsed() >= Duration::from_millis(200), "two thousand bytes are a fifth of a second");
        Rate::new(RateSettings::default()).pass(usize::MAX).await;
    }
}
