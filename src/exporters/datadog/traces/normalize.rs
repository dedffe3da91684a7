//! Names, tags and times as Datadog takes them (`pkg/trace/traceutil/normalize`).

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Bytes that a service, an operation and a span type may have.
const NAME_MAX: usize = 100;
/// Bytes that a resource may have.
pub(super) const RESOURCE_MAX: usize = 5000;
/// Characters of a tag that are kept.
const TAG_MAX: usize = 200;
/// 2000-01-01, in ns since 1970: no span began before it.
const YEAR_2000: i64 = 946_684_800_000_000_000;

/// At most `limit` bytes of a text, cut between letters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit { text } else { &text[..text.floor_char_boundary(limit)] }
}

/// A span type as it may be.
pub(super) fn span_type(text: &str) -> &str {
    cut(text, NAME_MAX)
}

/// An operation's name.
pub(super) fn name(name: &str) -> String {
    metric_name(cut(name, NAME_MAX)).unwrap_or_else(|| "unnamed_operation".to_owned())
}

/// A service's name; `language` names the one that has none.
pub(super) fn service(service: &str, language: &str) -> String {
    match tag_value(cut(service, NAME_MAX)) {
        tag if !tag.is_empty() => tag,
        _ if language.is_empty() => "unnamed-service".to_owned(),
        _ => format!("unnamed-{language}-service"),
    }
}

/// The name of a service on the other side; it may be empty.
pub(super) fn peer_service(service: &str) -> String {
    tag_value(cut(service, NAME_MAX))
}

/// A duration; one that is none is 0.
pub(super) const fn duration(start: i64, duration: i64) -> i64 {
    if duration < 0 || duration > i64::MAX.wrapping_sub(start) { 0 } else { duration }
}

/// A start; of a clock that stands still, such that the span ended at `now`.
pub(super) const fn start(start: i64, duration: i64, now: i64) -> i64 {
    match now - duration {
        _ if start >= YEAR_2000 => start,
        begun if begun < 0 => now,
        begun => begun,
    }
}

/// Letters, digits, dots and single underscores, beginning with a letter; `None` where there is no letter.
fn metric_name(name: &str) -> Option<String> {
    let from = name.bytes().position(|byte| byte.is_ascii_alphabetic())?;
    let bytes = &name.as_bytes()[from..];
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let valid = bytes.windows(2).all(|pair| match pair[1] {
        b'.' | b'_' => pair[0] != b'_',
        byte => byte.is_ascii_alphanumeric(),
    });
    if valid {
        out.extend_from_slice(bytes);
    } else {
        for &byte in bytes {
            match (byte, out.last_mut()) {
                (byte, _) if byte.is_ascii_alphanumeric() => out.push(byte),
                (b'.', Some(last)) if *last == b'_' => *last = b'.',
                (b'.', _) => out.push(b'.'),
                (_, Some(b'.' | b'_')) => {}
                _ => out.push(b'_'),
            }
        }
    }
    if out.last() == Some(&b'_') {
        out.pop();
    }
    String::from_utf8(out).ok()
}

/// A tag's value: lower case, at most 200 characters, others than letters, digits and `:./-` as one underscore.
pub(super) fn tag_value(value: &str) -> String {
    normalize(value)
}

const fn plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'/' | b'-')
}

/// Whether a tag is as it should be already.
fn normal(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    bytes.len() <= TAG_MAX
        && bytes.iter().enumerate().all(|(index, &byte)| {
            plain(byte) || (byte == b'_' && bytes.get(index + 1).is_some_and(|&next| plain(next)))
        })
}

fn normalize(value: &str) -> String {
    if normal(value) {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len().min(2 * TAG_MAX));
    // Whether what came last was an underscore for something that may not be in a tag.
    let mut gap = false;
    for (chars, (index, letter)) in value.char_indices().enumerate() {
        let letter = lower(letter);
        if allowed(letter) {
            out.push(letter);
            gap = false;
        } else if !gap {
            out.push('_');
            gap = true;
        }
        if index + letter.len_utf8() >= 2 * TAG_MAX || chars + 1 >= TAG_MAX {
            break;
        }
    }
    if gap {
        out.pop();
    }
    out
}

/// Whether Unicode calls it a letter: marks and numbers that look like letters are none.
pub(super) fn is_letter(letter: char) -> bool {
    letter.general_category_group() == GeneralCategoryGroup::Letter
}

fn allowed(letter: char) -> bool {
    matches!(letter, ':' | '.' | '/' | '-')
        || is_letter(letter)
        || letter.general_category() == GeneralCategory::DecimalNumber
}

/// A letter in lower case, where that is one letter of the same length.
fn lower(letter: char) -> char {
    if letter.general_category() != GeneralCategory::UppercaseLetter {
        return letter;
    }
    let mut small = letter.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) if small.len_utf8() == letter.len_utf8() => small,
        _ => letter,
    }
}
