//! What a target answered, and what that means.

use super::requests::Samples;
use super::settings::MessageChoice;
use crate::delivery::web;
use crate::delivery::{Outcome, Rejected};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A target that did not know 2.0 may have been renewed after this long.
const ASKED_AGAIN_AFTER: Duration = Duration::from_mins(10);

/// Which of the two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    New,
    Old,
}

const HINTS: web::Hints<'_> = web::Hints {
    denied: "are its `headers` right?",
    elsewhere: "is `endpoint` the full URL of the remote write receiver?",
};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) web: web::Answer,
    /// What it says it wrote; `None` where it does not say.
    pub(super) written: Option<Samples>,
    /// Native histograms that it was not sent, since it has them disabled.
    pub(super) left_out: u64,
}

impl Answer {
    pub(super) async fn of(answer: reqwest::Response) -> Answer {
        let written = written(answer.headers());
        Answer { web: web::Answer::of(answer).await, written, left_out: 0 }
    }

    /// As if a request without any series had been taken.
    pub(super) fn nothing() -> Answer {
        let web = web::Answer::read(StatusCode::NO_CONTENT, &HeaderMap::new(), Vec::new());
        Answer { web, written: None, left_out: 0 }
    }

    /// Whether it is a success that the target itself tells of.
    pub(super) fn is_success(&self) -> bool {
        self.web.status.is_success() && !self.web.is_page
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.web.body).trim().to_owned()
    }

    /// Whether it is the answer of an old Prometheus that has native histograms disabled: a status that asks to be tried
    /// again, for ever.
    pub(super) fn refuses_native(&self) -> bool {
        self.web.status.is_server_error() && self.text().contains("native histograms are disabled")
    }

    /// Whether a target that got 2.0 does not know it, as the standard says; `is_known` where it was seen to know it.
    pub(super) fn knows_only_old(&self, is_known: bool) -> bool {
        let is_silent = self.written.is_none() && !self.web.is_page;
        match self.web.status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
            StatusCode::BAD_REQUEST => is_silent && !is_known,
            status => status.is_success() && is_silent,
        }
    }

    /// What became of a request of so many samples, which stand for so many received points.
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
            // Of 2.0 a target takes what it can, and tells how much that was; what it refused it will always refuse.
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

    /// Points that it did not write; `None` where it does not say what it wrote. A native histogram is one point; of the
    /// others, which may be several numbers each, it is known by their share.
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
            // What it was not sent is known; of one reason, with one text, is told once.
            None => told,
        }
    }
}

/// What the headers say was written; `None` where none of them is there.
fn written(headers: &HeaderMap) -> Option<Samples> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let numbers = number("x-prometheus-remote-write-samples-written");
    let histograms = number("x-prometheus-remote-write-histograms-written");
    let is_told = numbers.is_some() || histograms.is_some();
    is_told.then(|| Samples { numbers: numbers.unwrap_or(0), histograms: histograms.unwrap_or(0) })
}

/// Which message a target takes, as far as that is known.
#[derive(Default)]
pub(super) struct Negotiation(Mutex<Known>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// It answered as 2.0 says.
    knows_new: bool,
    /// When it was last seen to know 1.0 alone.
    only_old_since: Option<Instant>,
    is_told: bool,
    refuses_native: bool,
}

impl Negotiation {
    /// What to send now, and whether the target was seen to know 2.0.
    pub(super) fn message(&self, choice: MessageChoice) -> (Message, bool) {
        let known = self.known();
        let is_old = known.only_old_since.is_some_and(|since| since.elapsed() < ASKED_AGAIN_AFTER);
        let message = if choice == MessageChoice::Old || is_old { Message::Old } else { Message::New };
        (message, known.knows_new)
    }

    /// It answered as 2.0 says. True where it was thought to know 1.0 alone.
    pub(super) fn knows_new(&self) -> bool {
        let mut known = self.known();
        known.knows_new = true;
        known.only_old_since.take().is_some()
    }

    /// It takes 1.0 and not 2.0. True for the first time.
    pub(super) fn knows_only_old(&self) -> bool {
        let mut known = self.known();
        known.knows_new = false;
        known.only_old_since = Some(Instant::now());
        !std::mem::replace(&mut known.is_told, true)
    }

    /// Whether it was seen to refuse native histograms in 1.0.
    pub(super) fn refuses_native(&self) -> bool {
        self.known().refuses_native
    }

    /// It refuses native histograms in 1.0.
    pub(super) fn native_refused(&self) {
        self.known().refuses_native = true;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
