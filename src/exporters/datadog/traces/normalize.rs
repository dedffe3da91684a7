//! Normalizes names, tags and times for Datadog (`pkg/trace/traceutil/normalize`).

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Maximum bytes of a service, an operation and a span type.
const NAME_MAX: usize = 100;
/// Maximum bytes of a resource.
pub(super) const RESOURCE_MAX: usize = 5000;
/// Maximum characters of a tag.
const TAG_MAX: usize = 200;
/// 2000-01-01, in ns since 1970: earlier starts are invalid.
const YEAR_2000: i64 = 946_684_800_000_000_000;

/// Truncates a text to at most `limit` bytes, between characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit { text } else { &text[..text.floor_char_boundary(limit)] }
}

/// Normalizes a span type.
pub(super) fn span_type(text: &str) -> &str {
    cut(text, NAME_MAX)
}

/// Normalizes an operation's name.
pub(super) fn name(name: &str) -> String {
    metric_name(cut(name, NAME_MAX)).unwrap_or_else(|| "unnamed_operation".to_owned())
}

/// Normalizes a service's name; one without a name is named after `language`.
pub(super) fn service(service: &str, language: &str) -> String {
    match tag_value(cut(service, NAME_MAX)) {
        tag if !tag.is_empty() => tag,
        _ if language.is_empty() => "unnamed-service".to_owned(),
        _ => format!("unnamed-{language}-service"),
    }
}

/// Normalizes the name of a peer service; it may be empty.
pub(super) fn peer_service(service: &str) -> String {
    tag_value(cut(service, NAME_MAX))
}

/// Normalizes a duration; an invalid one is 0.
pub(super) const fn duration(start: i64, duration: i64) -> i64 {
    if duration < 0 || duration > i64::MAX.wrapping_sub(start) { 0 } else { duration }
}

/// Normalizes a start; an invalid one is set such that the span ended at `now`.
pub(super) const fn start(start: i64, duration: i64, now: i64) -> i64 {
    match now - duration {
        _ if start >= YEAR_2000 => start,
        begun if begun < 0 => now,
        begun => begun,
    }
}

/// Keeps letters, digits, dots and single underscores, starting with a letter; `None` if there is no letter.
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

/// Normalizes a tag's value: lower case, at most 200 characters, with runs of characters other than letters, digits and `:./-`
/// as one underscore.
pub(super) fn tag_value(value: &str) -> String {
    normalize(value)
}

const fn plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'/' | b'-')
}

/// Returns true if a tag is already normalized.
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
    // Whether the last output was an underscore for invalid characters.
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

/// Returns true if Unicode classifies it as a letter, unlike marks and numbers that look like letters.
pub(super) fn is_letter(letter: char) -> bool {
    letter.general_category_group() == GeneralCategoryGroup::Letter
}

fn allowed(letter: char) -> bool {
    matches!(letter, ':' | '.' | '/' | '-')
        || is_letter(letter)
        || letter.general_category() == GeneralCategory::DecimalNumber
}

/// Converts to lower case if that is a single letter of the same length.
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
