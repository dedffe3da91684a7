//! Fingerprints of unknown languages: removes quoted parts and numbers, and collapses whitespace.

use std::iter::Peekable;
use std::str::Chars;

/// Maximum length of a quoted name.
const NAME_MAX: usize = 64;

/// Replaces quoted text and numbers by `?`, and runs of them by one; a quoted name before a colon remains.
pub(super) fn folded(query: &str) -> String {
    let mut out = String::with_capacity(query.len().min(4096));
    let mut characters = query.chars().peekable();
    while let Some(character) = characters.next() {
        let in_word = out.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if matches!(character, '\'' | '"') {
            let text = quoted(&mut characters, character);
            match text.filter(|text| is_name(text) && names(characters.clone())) {
                Some(name) => out.push_str(&name),
                None => push_literal(&mut out),
            }
        } else if character.is_ascii_digit() && !in_word {
            while characters.next_if(|next| next.is_alphanumeric() || *next == '.').is_some() {}
            push_literal(&mut out);
        } else if !character.is_whitespace() {
            out.push(character);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
}

/// Replaces each `\'` within quotes by `''`. `None` if there is none, or if that leaves a quote open: then the
/// backslash was an ordinary character.
pub(super) fn with_doubled_quotes(query: &str) -> Option<String> {
    if !query.contains("\\'") && !query.contains("\\\"") {
        return None;
    }
    let mut out = String::with_capacity(query.len());
    let mut characters = query.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        if matches!(character, '\'' | '"') {
            let text = quoted(&mut characters, character)?;
            out.push_str(&text.replace(&format!("\\{character}"), &character.to_string().repeat(2)));
            out.push(character);
        }
    }
    Some(out)
}

/// Returns the text up to the closing quote; `None` if there is none.
fn quoted(characters: &mut Peekable<Chars<'_>>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.next()? {
            '\\' => {
                text.push('\\');
                text.extend(characters.next());
            }
            character if character == quote => return Some(text),
            character => text.push(character),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '$' | '-');
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_part)
}

fn names(mut behind: Peekable<Chars<'_>>) -> bool {
    behind.find(|next| !next.is_whitespace()) == Some(':')
}

fn push_literal(out: &mut String) {
    if out.trim_end().strip_suffix(',').is_some_and(|before| before.trim_end().ends_with('?')) {
        let end = out.rfind('?').map_or(0, |at| at + 1);
        out.truncate(end);
    } else if !out.ends_with('?') {
        out.push('?');
    }
}

#[cfg(test)]
mod tests {
    use super::{folded, with_doubled_quotes};

    #[test]
    fn escaped_quotes_are_part_of_their_text() {
        assert_eq!(folded(r#"find {"name": "O\"Brien secret", x: 5}"#), "find {name: ?, x: ?}");
        let doubled = with_doubled_quotes(r"a = 'it\'s me' AND b = 'x'");
        assert_eq!(doubled.as_deref(), Some("a = 'it''s me' AND b = 'x'"));
        assert_eq!(with_doubled_quotes(r"a = 'C:\' AND b = 'x'"), None);
    }

    #[test]
    fn keys_stay_and_lists_fold() {
        assert_eq!(folded("find {'_id': {'$in': [1, 2, 3]}}"), "find {_id: {$in: [?]}}");
        assert_eq!(folded("f('never closed, 17"), "f(?");
    }
}
