//! Responses of a target, and their meaning.

use super::requests::Samples;
use super::settings::MessageChoice;
use crate::delivery::web;
use crate::delivery::{Outcome, Rejected};
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::time::{Duration, Instant};

/// How long a target without 2.0 counts as supporting only 1.0; it may have been upgraded since.
const ASKED_AGAIN_AFTER: Duration = Duration::from_mins(10);

/// The protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    New,
    Old,
}

const HINTS: web::Hints<'_> = web::Hints {
    denied: "are its `headers` right?",
    elsewhere: "is `endpoint` the full URL of the remote write receiver?",
};

/// A target's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) web: web::Answer,
    /// The number of samples that the target reports as written; `None` if it does not report it.
    pub(super) written: Option<Samples>,
    /// Native histograms that were not sent, because the target has them disabled.
    pub(super) left_out: u64,
}

impl Answer {
    pub(super) async fn of(answer: reqwest::Response) -> Answer {
        let written = written(answer.headers());
        Answer { web: web::Answer::of(answer).await, written, left_out: 0 }
    }

    /// A success response to a request without any series.
    pub(super) fn nothing() -> Answer {
        let web = web::Answer::read(StatusCode::NO_CONTENT, &HeaderMap::new(), Vec::new());
        Answer { web, written: None, left_out: 0 }
    }

    /// Returns true for a success reported by the target itself.
    pub(super) fn is_success(&self) -> bool {
        self.web.status.is_success() && !self.web.is_page
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.web.body).trim().to_owned()
    }

    /// Returns true for the response of an old Prometheus with native histograms disabled: a status that would be retried for
    /// ever.
    pub(super) fn refuses_native(&self) -> bool {
        self.web.status.is_server_error() && self.text().contains("native histograms are disabled")
    }

    /// Returns true if the target does not support 2.0, by the specification; `is_known` if it is known to support it.
    pub(super) fn knows_only_old(&self, is_known: bool) -> bool {
        let is_silent = self.written.is_none() && !self.web.is_page;
        match self.web.status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
            StatusCode::BAD_REQUEST => is_silent && !is_known,
            status => status.is_success() && is_silent,
        }
    }

    /// Returns the outcome of a request with `samples`, which represent `items` received points.
    pub(super) fn outcome(&self, message: Message, samples: Samples, items: u64) -> Outcome {
        match (self.web.verdict(&self.text(), &HINTS), self.missing(samples, items)) {
            (None, missing) => {
                let rejected = missing.unwrap_or(0).saturating_add(self.left_out).min(items);
                let message = if rejected > 0 { self.told_of_missing(samples) } else { String::new() };
                Outcome::Delivered { rejected, message }
            }
            (Some(Outcome::Rejected(_) | Outcome::PermanentError(_)), Some(0)) if message == Message::New => {
                Outcome::delivered()
            }
            // In 2.0 a target accepts what it can and reports how much that was; what it rejected it will always reject.
            (Some(Outcome::Rejected(reason) | Outcome::PermanentError(reason)), Some(rejected))
                if message == Message::New =>
            {
                let refused = vec![Rejected { items: rejected, reason }];
                let taken = items.saturating_sub(rejected);
                Outcome::PartialSuccess { taken, refused, again: None, after: None, reason: String::new() }
            }
            (Some(outcome), _) => outcome,
        }
    }

    /// Number of points not written; `None` if the target does not report what it wrote. A native histogram is one point; for
    /// the others, which may be several numbers each, it is prorated.
    fn missing(&self, sent: Samples, items: u64) -> Option<u64> {
        let written = self.written?;
        let histograms = sent.histograms.saturating_sub(written.histograms);
        let numbers = u128::from(sent.numbers.saturating_sub(written.numbers));
        let of_numbers = u128::from(items.saturating_sub(sent.histograms));
        let share = (numbers * of_numbers).div_ceil(u128::from(sent.numbers.max(1)));
        Some(u64::try_from(share).unwrap_or(items).saturating_add(histograms).min(items))
    }

    fn told_of_missing(&self, sent: Samples) -> String {
        let (status, text) = (self.web.status, self.text());
        let told = if text.is_empty() { status.to_string() } else { format!("{status}: {}", web::cut(&text)) };
        match self.written {
            Some(written) => format!("{told} (it wrote {} of {} samples)", written.total(), sent.total()),
            // Only unsent histograms are missing then; with a constant text the reason is logged only once.
            None => told,
        }
    }
}

/// Returns the written counts from the headers; `None` without any of them.
fn written(headers: &HeaderMap) -> Option<Samples> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let numbers = number("x-prometheus-remote-write-samples-written");
    let histograms = number("x-prometheus-remote-write-histograms-written");
    let is_told = numbers.is_some() || histograms.is_some();
    is_told.then(|| Samples { numbers: numbers.unwrap_or(0), histograms: histograms.unwrap_or(0) })
}

/// Which version a target supports, as far as known.
#[derive(Default)]
pub(super) struct Negotiation(Mutex<Known>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// It has responded as 2.0 requires.
    knows_new: bool,
    /// When it was last found to support only 1.0.
    only_old_since: Option<Instant>,
    is_told: bool,
    refuses_native: bool,
}

impl Negotiation {
    /// Returns the version to send now, and whether the target is known to support 2.0.
    pub(super) fn message(&self, choice: MessageChoice) -> (Message, bool) {
        let known = self.known();
        let is_old = known.only_old_since.is_some_and(|since| since.elapsed() < ASKED_AGAIN_AFTER);
        let message = if choice == MessageChoice::Old || is_old { Message::Old } else { Message::New };
        (message, known.knows_new)
    }

    /// Records a 2.0 response. Returns true if the target was thought to support only 1.0.
    pub(super) fn knows_new(&self) -> bool {
        let mut known = self.known();
        known.knows_new = true;
        known.only_old_since.take().is_some()
    }

    /// Records that the target supports 1.0 and not 2.0. Returns true the first time.
    pub(super) fn knows_only_old(&self) -> bool {
        let mut known = self.known();
        known.knows_new = false;
        known.only_old_since = Some(Instant::now());
        !std::mem::replace(&mut known.is_told, true)
    }

    /// Returns true if it has rejected native histograms in 1.0.
    pub(super) fn refuses_native(&self) -> bool {
        self.known().refuses_native
    }

    /// Records that it rejects native histograms in 1.0.
    pub(super) fn native_refused(&self) {
        self.known().refuses_native = true;
    }

    fn known(&self) -> parking_lot::MutexGuard<'_, Known> {
        self.0.lock()
    }
}
