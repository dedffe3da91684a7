//! Counts the items rejected from a request, with the first few reasons in words.

use crate::model::decoded::Rejected;

/// Maximum number of reasons in the message.
const REASONS_MAX: usize = 5;
/// Maximum number of characters of a sender's text in a reason.
const TEXT_CHARS_MAX: usize = 100;
/// Maximum size in bytes of the whole message.
const MESSAGE_BYTES_MAX: usize = 2 << 10;

/// Faults that a reader found before the items themselves were checked.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Rejected items by number, ascending, with the reason; only the first few have a text.
    refused: Vec<(u32, String)>,
    /// The first few attributes and fields dropped from accepted items.
    dropped: Vec<String>,
    dropped_count: u64,
    /// Numbers of spans without a start time, ascending; their end time is used instead.
    startless: Vec<u32>,
}

impl Faults {
    /// Records a span without a start time, which is kept.
    pub(super) fn startless(&mut self, item: u32) {
        self.startless.push(item);
    }

    /// Returns whether the text of a further fault would be kept.
    pub(super) fn wants_words(&self) -> bool {
        self.refused.len() < REASONS_MAX || self.dropped.len() < REASONS_MAX
    }

    /// Records a rejected item.
    pub(super) fn refused(&mut self, item: u32, fault: String) {
        self.refused.push((item, if self.refused.len() < REASONS_MAX { fault } else { String::new() }));
    }

    /// Records something dropped from an accepted item.
    pub(super) fn dropped(&mut self, fault: String) {
        self.dropped_count += 1;
        if self.dropped.len() < REASONS_MAX && !fault.is_empty() {
            self.dropped.push(fault);
        }
    }

    /// Like [`Faults::dropped`], but builds the text only if it is kept.
    pub(super) fn dropped_as(&mut self, words: impl FnOnce() -> String) {
        let words = if self.dropped.len() < REASONS_MAX { words() } else { String::new() };
        self.dropped(words);
    }

    pub(super) fn first_dropped(&self) -> Option<&str> {
        self.dropped.first().map(String::as_str)
    }

    pub(super) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// Keeps only the first `count` rejections.
    pub(super) fn forget_refused(&mut self, count: usize) {
        self.refused.truncate(count);
    }
}

/// Counts the items of a request.
pub(super) struct Rejects {
    noun: &'static str,
    seen: u32,
    items: Vec<u32>,
    reasons: Vec<String>,
    refused: std::iter::Peekable<std::vec::IntoIter<(u32, String)>>,
    dropped: Vec<String>,
    dropped_count: u64,
    startless: Vec<u32>,
}

impl Rejects {
    /// Creates a counter. `noun` is the plural of the items, such as `spans`. `faults` come from the reader, which numbers
    /// items in the same way.
    pub(super) fn new(noun: &'static str, faults: Faults) -> Rejects {
        Rejects {
            noun,
            seen: 0,
            items: Vec::new(),
            reasons: Vec::new(),
            refused: faults.refused.into_iter().peekable(),
            dropped: faults.dropped,
            dropped_count: faults.dropped_count,
            startless: faults.startless,
        }
    }

    /// Counts one item; returns true if it is kept. `place` is only called if the reason is reported.
    pub(super) fn keeps(&mut self, verdict: Result<(), String>, place: impl FnOnce() -> String) -> bool {
        let index = self.seen;
        self.seen = self.seen.saturating_add(1);
        let is_told = self.reasons.len() < REASONS_MAX;
        let reason = match (self.refused.next_if(|(item, _)| *item == index), verdict) {
            (None, Ok(())) => return true,
            (Some((_, reason)), _) => reason,
            (None, Err(reason)) if is_told => format!("{}.{reason}", place()),
            (None, Err(_)) => String::new(),
        };
        self.items.push(index);
        if is_told && !reason.is_empty() {
            self.reasons.push(reason);
        }
        false
    }

    /// Returns the number of items kept, and the verdict on the rest.
    pub(super) fn finish(self) -> (u64, Rejected) {
        let rejected = self.items.len();
        let kept = u64::from(self.seen).saturating_sub(rejected as u64);
        let mut parts = Vec::new();
        if rejected > 0 {
            parts.push(format!(
                "{rejected} of {} {} rejected: {}",
                self.seen,
                self.noun,
                listed(&self.reasons, rejected as u64)
            ));
        }
        if self.dropped_count > 0 {
            let noun = if self.dropped_count == 1 { "attribute or field" } else { "attributes or fields" };
            parts.push(format!("{} {noun} dropped: {}", self.dropped_count, listed(&self.dropped, self.dropped_count)));
        }
        let startless = self.startless.iter().filter(|item| self.items.binary_search(item).is_err()).count();
        if startless > 0 {
            parts.push(format!(
                "{} of {} {} without startTimeUnixNano, kept with that of their end",
                startless, self.seen, self.noun
            ));
        }
        let mut message = parts.join(". ");
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }
        (kept, Rejected { items: self.items, message })
    }
}

/// Joins the reasons and adds the number of those left out.
fn listed(reasons: &[String], count: u64) -> String {
    let told = reasons.join("; ");
    match count.saturating_sub(reasons.len() as u64) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

/// Quotes a sender's text, truncated to a limit.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Checks that an id has `bytes` bytes that are not all zero.
pub(super) fn check_id(field: &str, id: &[u8], bytes: usize) -> Result<(), String> {
    if id.len() != bytes {
        return Err(format!("{field}: expected {bytes} bytes, found {}", id.len()));
    }
    if id.iter().all(|byte| *byte == 0) {
        return Err(format!("{field}: expected {bytes} bytes that are not all zero, found zeros"));
    }
    Ok(())
}

/// Checks that a number fits the signed integers of the tables.
pub(super) fn check_fits(field: &str, number: u64) -> Result<(), String> {
    if i64::try_from(number).is_ok() {
        return Ok(());
    }
    Err(format!("{field}: expected at most {}, found {number}", i64::MAX))
}

/// Converts a number that passed [`check_fits`].
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
