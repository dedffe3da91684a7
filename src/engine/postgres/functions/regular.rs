//! Translates `PostgreSQL` patterns to Rust regular expressions: its own, `LIKE`, and `SIMILAR TO`.

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use regex::{Regex, RegexBuilder};

/// Maximum size of a compiled pattern in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Compiles a `PostgreSQL` pattern with flags.
pub(crate) fn compiled(pattern: &str, flags: &str) -> Result<Regex> {
    // The director `***:` selects the default syntax.
    let mut builder = RegexBuilder::new(&translated(pattern.strip_prefix("***:").unwrap_or(pattern)));
    // By default newlines are ordinary characters.
    builder.dot_matches_new_line(true).size_limit(PATTERN_BYTES_MAX);
    for flag in flags.chars() {
        match flag {
            'g' => {}
            'i' => drop(builder.case_insensitive(true)),
            'c' => drop(builder.case_insensitive(false)),
            'n' | 'm' => drop(builder.dot_matches_new_line(false).multi_line(true)),
            'p' => drop(builder.dot_matches_new_line(false)),
            'w' => drop(builder.multi_line(true)),
            's' => drop(builder.dot_matches_new_line(true).multi_line(false)),
            'x' => drop(builder.ignore_whitespace(true)),
            'q' => return RegexBuilder::new(&regex::escape(pattern)).build().map_err(|error| invalid(&error)),
            other => return exec_err!("invalid regular expression option: {other:?}"),
        }
    }
    builder.build().map_err(|error| invalid(&error))
}

fn invalid(error: &regex::Error) -> datafusion::common::DataFusionError {
    exec_datafusion_err!("invalid regular expression: {error}")
}

/// Translates escapes that are spelled differently in Rust.
fn translated(pattern: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(pattern.len()), pattern.chars());
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('m') => text.push_str("\\b{start}"),
            Some('M') => text.push_str("\\b{end}"),
            Some('y') => text.push_str("\\b"),
            Some('Y') => text.push_str("\\B"),
            Some('Z') => text.push_str("\\z"),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

/// Translates a `LIKE` pattern.
pub(crate) fn like(pattern: &str) -> Result<String> {
    let (mut text, mut rest) = ("^".to_owned(), pattern.chars());
    while let Some(c) = rest.next() {
        match c {
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '\\' => match rest.next() {
                Some(c) => text.push_str(&regex::escape(&c.to_string())),
                None => return exec_err!("LIKE pattern must not end with escape character"),
            },
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    text.push('$');
    Ok(text)
}

/// Translates a `SIMILAR TO` pattern.
pub(super) fn similar(pattern: &str, escape: Option<char>) -> String {
    let (mut text, mut rest, mut in_class) = (String::new(), pattern.chars(), false);
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            text.extend(rest.next().map(|c| regex::escape(&c.to_string())));
            continue;
        }
        match c {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        match c {
            '%' if !in_class => text.push_str(".*"),
            '_' if !in_class => text.push('.'),
            '(' if !in_class => text.push_str("(?:"),
            '.' | '^' | '$' | '\\' if !in_class => text.extend(['\\', c]),
            other => text.push(other),
        }
    }
    text
}
