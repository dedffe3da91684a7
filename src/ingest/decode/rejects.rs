//! What is refused out of a good request, counted, with the first few reasons in words.

use crate::model::decoded::Rejected;

/// Reasons that are told.
const REASONS_MAX: usize = 5;
/// Letters of a sender's own text that a reason repeats.
const TEXT_CHARS_MAX: usize = 100;
/// Bytes of the whole message.
const MESSAGE_BYTES_MAX: usize = 2 << 10;

/// What a reader found wrong before the items themselves could be judged.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Items by their running number, ascending, and why; in words only as many as are told.
    refused: Vec<(u32, String)>,
    /// Attributes and fields that were left out of what was kept: the first few.
    dropped: Vec<String>,
    dropped_count: u64,
    /// Spans, by their running number, ascending, whose end stands for the start that they do not say.
    startless: Vec<u32>,
}

impl Faults {
    /// A span does not say when it started, and can be kept nonetheless.
    pub(super) fn startless(&mut self, item: u32) {
        self.startless.push(item);
    }

    /// Whether the words of a further fault could be told.
    pub(super) fn wants_words(&self) -> bool {
        self.refused.len() < REASONS_MAX || self.dropped.len() < REASONS_MAX
    }

    /// An item cannot be taken.
    pub(super) fn refused(&mut self, item: u32, fault: String) {
        self.refused.push((item, if self.refused.len() < REASONS_MAX { fault } else { String::new() }));
    }

    /// Something was left out of what is taken.
    pub(super) fn dropped(&mut self, fault: String) {
        self.dropped_count += 1;
        if self.dropped.len() < REASONS_MAX && !fault.is_empty() {
            self.dropped.push(fault);
        }
    }

    /// The same, where the words are still to be found.
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

    /// Takes back all refusals but the first `count`.
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
    /// `noun` is what the items are called, many of them: `spans`. `faults` are those of the reader, which numbered the items
    /// in the same way.
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

    /// Counts one item; true if it is kept. `place` is only asked where the reason is told.
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

    /// How many were kept, and the verdict on the rest.
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

/// The reasons that are told, and how many are not.
fn listed(reasons: &[String], count: u64) -> String {
    let told = reasons.join("; ");
    match count.saturating_sub(reasons.len() as u64) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

/// A sender's text as a reason repeats it: quoted, and not at length.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// An id of `bytes` bytes that are not all zero.
pub(super) fn check_id(field: &str, id: &[u8], bytes: usize) -> Result<(), String> {
    if id.len() != bytes {
        return Err(format!("{field}: expected {bytes} bytes, found {}", id.len()));
    }
    if id.iter().all(|byte| *byte == 0) {
        return Err(format!("{field}: expected {bytes} bytes that are not all zero, found zeros"));
    }
    Ok(())
}

/// A number that the tables, whose numbers are signed, can hold.
pub(super) fn check_fits(field: &str, number: u64) -> Result<(), String> {
    if i64::try_from(number).is_ok() {
        return Ok(());
    }
    Err(format!("{field}: expected at most {}, found {number}", i64::MAX))
}

/// A number that [`check_fits`] let through.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
