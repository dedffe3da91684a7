//! Text in terminal columns: measured, cut and wrapped by displayed width, not by bytes.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Returns the number of columns of a text.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text at the end to the given columns, with `…`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    format!("{}…", head(text, room).trim_end())
}

/// Cuts a text in the middle to the given columns, with `…`: a title starts with its subject and ends with its limit.
pub(super) fn squeeze(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let begin = head(text, room - room / 2);
    let left = room - width(begin);
    let mut end = text.len();
    for (at, _) in text.grapheme_indices(true).rev() {
        if width(&text[at..]) > left || at < begin.len() {
            break;
        }
        end = at;
    }
    format!("{begin}…{}", &text[end..])
}

/// Wraps a text between words where possible, in lines of the given columns. Text beyond `lines` is cut.
pub(super) fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let (mut wrapped, mut line) = (Vec::new(), String::new());
    for word in words(text) {
        let mut word = word;
        let needed = width(word) + usize::from(!line.is_empty());
        if needed <= columns.saturating_sub(width(&line)) {
            push(&mut line, word, " ");
            continue;
        }
        if !line.is_empty() {
            wrapped.push(std::mem::take(&mut line));
        }
        // A word longer than a line is broken anywhere.
        while width(word) > columns {
            let begin = head(word, columns.max(2));
            if begin.is_empty() {
                break;
            }
            wrapped.push(begin.to_owned());
            word = &word[begin.len()..];
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        wrapped.push(line);
    }
    bounded(wrapped, columns, lines)
}

/// Splits into words; a number with its unit is one word.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut end = 0;
    for word in text.split(' ') {
        let begin = end;
        // Each word is followed by a space.
        end += word.len() + 1;
        if word.is_empty() {
            continue;
        }
        let unit = word.trim_end_matches([',', '.', ';', ':', ')']);
        match words.last_mut() {
            Some((first, last))
                if UNITS.contains(&unit)
                    && begin == *last + 1
                    && text[*first..*last].ends_with(|letter: char| letter.is_ascii_digit()) =>
            {
                *last = begin + word.len();
            }
            _ => words.push((begin, begin + word.len())),
        }
    }
    words.into_iter().map(|(begin, end)| &text[begin..end]).collect()
}

/// Units that follow a number.
const UNITS: [&str; 14] = ["%", "µs", "ms", "s", "min", "h", "d", "B", "kB", "MB", "GB", "k", "M", "G"];

/// Joins the parts with dots in lines of the given columns, broken between parts where possible.
pub(super) fn wrap_parts(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + width(DOT) + width(part) <= columns => push(line, part, DOT),
            _ => lines.extend(wrap(part, columns, usize::MAX)),
        }
    }
    lines
}

/// Separator of the parts of a line.
pub(super) const DOT: &str = " · ";

fn push(line: &mut String, text: &str, between: &str) {
    if !line.is_empty() {
        line.push_str(between);
    }
    line.push_str(text);
}

fn bounded(mut wrapped: Vec<String>, columns: usize, lines: usize) -> Vec<String> {
    if wrapped.len() > lines {
        let rest = wrapped.split_off(lines.saturating_sub(1)).join(" ");
        wrapped.push(cut(&rest, columns));
        wrapped.truncate(lines);
    }
    wrapped
}

/// Returns the longest prefix that fits into the given columns.
fn head(text: &str, columns: usize) -> &str {
    let mut end = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        let upto = at + cluster.len();
        if width(&text[..upto]) > columns {
            break;
        }
        end = upto;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_what_is_seen() {
        assert_eq!([cut("abcdef", 6), cut("abcdef", 5), cut("abc", 0)], ["abcdef", "abcd…", ""]);
        assert_eq!(cut("日本語日本語", 7), "日本語…");
        // A letter with a combining accent and an emoji of several code points are not split.
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(cut("👨‍👩‍👧👨‍👩‍👧", 3), "👨‍👩‍👧…");
        assert_eq!(squeeze("shop GET /products: p95 is 312 ms", 20), "shop GET /…is 312 ms");
        assert_eq!(squeeze("日本語日本語日本語", 8), "日本…語");
        for columns in 0..20 {
            for text in ["abcdefghijklmnopqrstuvwxyz", "日本語日本語日本語", "a👨‍👩‍👧b👨‍👩‍👧c"]
            {
                assert!(width(&squeeze(text, columns)) <= columns && width(&cut(text, columns)) <= columns);
            }
        }
    }

    #[test]
    fn texts_are_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(wrap("abcdefghij k", 4, 9), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("日本語日本語", 5, 9), ["日本", "語日", "本語"]);
        assert_eq!(wrap("", 5, 9), Vec::<String>::new());
        assert_eq!(wrap("wanted 85 % now", 10, 9), ["wanted", "85 % now"], "a number keeps its unit");
        assert_eq!(wrap("a  b", 9, 9), ["a b"]);
        let parts = ["abc", "de", "fghijk"].map(str::to_owned);
        assert_eq!(wrap_parts(&parts, 8), ["abc · de", "fghijk"]);
        assert_eq!(wrap_parts(&parts, 80), ["abc · de · fghijk"]);
    }
}
