//! Progress of a backup on standard error.

use crate::model::units::human_bytes;
use serde_json::json;
use std::time::{Duration, Instant};

/// Interval of the output.
const EVERY: Duration = Duration::from_millis(500);

/// Counts bytes and prints them periodically.
pub(crate) struct Progress {
    what: &'static str,
    json: bool,
    done: u64,
    total: u64,
    shown: Instant,
}

impl Progress {
    /// Creates a progress for the activity `what`, such as `copying`.
    pub(crate) fn new(what: &'static str, json: bool) -> Progress {
        Progress { what, json, done: 0, total: 0, shown: Instant::now() }
    }

    /// Adds to the expected bytes.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.total += bytes;
    }

    /// Adds to the completed bytes.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.shown.elapsed() >= EVERY {
            self.shown = Instant::now();
            eprintln!("{}", self.line());
        }
    }

    fn line(&self) -> String {
        let (done, total) = (self.done, self.total.max(self.done));
        if self.json {
            return json!({"progress": {"doing": self.what, "bytes": done, "bytes_total": total}}).to_string();
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let [shown, of] = [done, total].map(|bytes| human_bytes(bytes as f64));
        format!("{}: {shown} of {of}, {} %", self.what, done.saturating_mul(100) / total.max(1))
    }
}
