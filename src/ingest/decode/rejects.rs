//! Items refused out of a good request, counted, with the first few reasons in words.

use crate::model::decoded::Rejected;

/// Reasons that are told.
const REASONS_MAX: usize = 5;
/// Letters of a sender's own text that a reason repeats.
const TEXT_CHARS_MAX: usize = 100;
/// Bytes of the whole message.
const MESSAGE_BYTES_MAX: usize = 2 << 10;

/// Counts the items of a request.
pub(super) struct Rejects {
    noun: &'static str,
    seen: u32,
    items: Vec<u32>,
    reasons: Vec<String>,
}

impl Rejects {
    /// `noun` is what the items are called, many of them: `spans`.
    pub(super) fn new(noun: &'static str) -> Rejects {
        Rejects { noun, seen: 0, items: Vec::new(), reasons: Vec::new() }
    }

    /// Counts one item; true if it is kept. `place` is only asked where the reason is told.
    pub(super) fn keeps(&mut self, verdict: Result<(), String>, place: impl FnOnce() -> String) -> bool {
        let index = self.seen;
        self.seen = self.seen.saturating_add(1);
        let Err(reason) = verdict else { return true };
        self.items.push(index);
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(format!("{}.{reason}", place()));
        }
        false
    }

    /// How many were kept, and the verdict on the rest.
    pub(super) fn finish(self) -> (u64, Rejected) {
        let rejected = self.items.len();
        let kept = u64::from(self.seen).saturating_sub(rejected as u64);
        if rejected == 0 {
            return (kept, Rejected::default());
        }
        let mut message = format!("{rejected} of {} {} rejected: {}", self.seen, self.noun, self.reasons.join("; "));
        if rejected > self.reasons.len() {
            message = format!("{message}; and {} more", rejected - self.reasons.len());
        }
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }
        (kept, Rejected { items: self.items, message })
    }
}

/// A sender's text as a reason repeats it: quoted, and not at length.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What stands before an id's text that is none, so that it is as long as no id.
const UNREADABLE: &[u8] = b"is not hexadecimal: ";

/// An id that cannot be read: bytes that [`check_id`] refuses, with the beginning of the text.
pub(super) fn unreadable_id(text: &str) -> Vec<u8> {
    [UNREADABLE, &text.as_bytes()[..text.floor_char_boundary(TEXT_CHARS_MAX)]].concat()
}

/// An id that could be read.
pub(super) fn check_readable(field: &str, id: &[u8], bytes: usize) -> Result<(), String> {
    let Some(text) = id.strip_prefix(UNREADABLE) else { return Ok(()) };
    let text = quoted(&String::from_utf8_lossy(text));
    Err(format!("{field}: expected {} hex digits, found text {text}", 2 * bytes))
}

/// An id of `bytes` bytes that are not all zero.
pub(super) fn check_id(field: &str, id: &[u8], bytes: usize) -> Result<(), String> {
    check_readable(field, id, bytes)?;
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
