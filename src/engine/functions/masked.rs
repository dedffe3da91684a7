//! `masked(message)`: the first line of an exception's message without its literals. `error_type(text)`: the class of
//! an error as its sender names it, or the masked text if it is no class name.
//!
//! Messages are external text. They contain values of users (`Key (email)=(anna@example.com) already exists`), and appear in
//! findings and alerts. So anything that may be a value becomes `?`: quoted text, tokens with digits, addresses, paths, and
//! what follows `=` or a word such as `password`. Names of tables and columns remain if the message identifies them as such.

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// Maximum number of characters of a masked message.
const MESSAGE_MAX: usize = 200;
/// Maximum number of characters of an error's type.
const TYPE_MAX: usize = 120;
/// Maximum number of characters of a message that are read.
const READ_MAX: usize = 2000;
/// Longer words are treated as keys and tokens.
const WORD_MAX: usize = 40;

/// After these words, a quoted name is part of the schema and no value.
const NAMES: [&str; 10] =
    ["column", "constraint", "database", "function", "index", "relation", "role", "schema", "table", "trigger"];
/// What follows these words is a secret.
const SECRETS: [&str; 12] = [
    "apikey",
    "api_key",
    "api-key",
    "authorization",
    "basic",
    "bearer",
    "cookie",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
];

/// Creates `masked(message)`.
pub(super) fn masked() -> ScalarUDF {
    scalar("masked", message)
}

/// Creates `error_type(text)`.
pub(super) fn error_type() -> ScalarUDF {
    scalar("error_type", class)
}

fn scalar(name: &str, change: fn(&str) -> Option<String>) -> ScalarUDF {
    let evaluate = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(arguments)?;
        let changed: StringArray = columns[0].as_string::<i32>().iter().map(|text| change(text?)).collect();
        Ok(ColumnarValue::Array(Arc::new(changed)))
    };
    create_udf(name, vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(evaluate))
}

/// Returns the first line with content, without literals; `None` if there is none.
pub(in crate::engine) fn message(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut read: String = line.chars().take(READ_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    read.truncate(read.trim_end().len());
    let masked = Masking { rest: &read, out: String::with_capacity(read.len()), word: String::new() }.run();
    Some(cut(&masked.split_whitespace().collect::<Vec<_>>().join(" "), MESSAGE_MAX))
}

/// Returns a class name unchanged, and any other text as a masked message.
pub(in crate::engine) fn class(text: &str) -> Option<String> {
    let text = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._:$/<>`-+*[],".contains(c);
    if text.chars().all(is_name) && text.len() <= READ_MAX {
        return Some(cut(text, TYPE_MAX)).filter(|text| !text.is_empty());
    }
    message(text).map(|text| cut(&text, TYPE_MAX))
}

fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

struct Masking<'a> {
    rest: &'a str,
    out: String,
    /// The last word, in lower case.
    word: String,
}

impl Masking<'_> {
    fn run(mut self) -> String {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\'' | '"' | '`' | '“' | '‘' | '«' => self.quoted(c),
                '=' => self.assigned(),
                c if is_separator(c) => {
                    self.take(c.len_utf8());
                    self.out.push(c);
                }
                _ => self.token(),
            }
        }
        self.out
    }

    fn take(&mut self, bytes: usize) -> &str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Masks a quoted text, up to its closing quote or the end.
    fn quoted(&mut self, open: char) {
        let close = match open {
            '“' => '”',
            '‘' => '’',
            '«' => '»',
            other => other,
        };
        let inner = &self.rest[open.len_utf8()..];
        let (text, length) = match inner.find(close) {
            Some(end) => (&inner[..end], open.len_utf8() + end + close.len_utf8()),
            None => (inner, self.rest.len()),
        };
        let is_plain = |c: char| c.is_alphanumeric() || "_.$".contains(c);
        let named = NAMES.contains(&self.word.as_str()) && !text.is_empty() && text.chars().all(is_plain);
        let kept = if named { self.rest[..length].to_owned() } else { "?".to_owned() };
        self.take(length);
        self.out.push_str(&kept);
        self.word.clear();
    }

    /// Masks the value after `=`: `(…)`, or everything up to the next space or separator.
    fn assigned(&mut self) {
        self.take(1);
        self.out.push('=');
        self.word.clear();
        let Some(first) = self.rest.chars().next() else { return };
        let length = match first {
            '(' => self.rest.find(')').map_or(self.rest.len(), |end| end + 1),
            // A quoted value is masked by `quoted`; `==`, `=>` and a lone `=` assign nothing.
            '\'' | '"' | '`' | '“' | '‘' | '«' | '=' | '>' | ' ' => return,
            _ => self.rest.find(|c: char| c.is_whitespace() || ",;&)]}".contains(c)).unwrap_or(self.rest.len()),
        };
        if length > 0 {
            self.take(length);
            self.out.push('?');
        }
    }

    /// Masks a run of characters between separators.
    fn token(&mut self) {
        let mut end = self.rest.len();
        let mut before = ' ';
        for (at, c) in self.rest.char_indices() {
            // An apostrophe within a word opens no quote.
            let apostrophe = c == '\''
                && before.is_alphanumeric()
                && self.rest[at + 1..].chars().next().is_some_and(char::is_alphanumeric);
            if c == '=' || is_separator(c) || !apostrophe && "'\"`“‘«".contains(c) {
                end = at;
                break;
            }
            before = c;
        }
        if self.rest[..end].contains("://") {
            // A URL ends at the first character that cannot be part of one: its query contains `=`, `;` and `,`.
            let ends = |c: char| c.is_whitespace() || "'\"`“‘«”’»<>)]}|".contains(c);
            end = self.rest.find(ends).unwrap_or(self.rest.len());
        }
        let secret = SECRETS.contains(&self.word.as_str());
        let token = self.take(end).to_owned();
        let bare = token.trim_end_matches([':', '.', '!', '?']);
        let shown = if secret { "?".to_owned() } else { shown(bare) };
        self.out.push_str(&shown);
        self.out.push_str(&token[bare.len()..]);
        self.word = bare.rsplit(':').next().unwrap_or_default().to_lowercase();
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || ",;()[]{}<>|”’»".contains(c)
}

/// Returns a token, or `?` if it may be a value.
fn shown(token: &str) -> String {
    if let Some((scheme, rest)) = token.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let host = if host.contains(|c: char| c.is_ascii_digit()) { "?" } else { host };
        return format!("{scheme}://{host}{}", if rest.len() > authority.len() { "/?" } else { "" });
    }
    let digits = token.chars().filter(char::is_ascii_digit).count();
    let letters = token.chars().filter(|c| c.is_alphabetic()).count();
    // `psycopg2.errors` and `HTTP2` are names, `user4711` and `10.0.0.7:5432` are values.
    let is_name = digits == 0 || digits == 1 && letters >= 3 && token.starts_with(char::is_alphabetic);
    let is_path = token.starts_with('/') && token.len() > 1 || token.matches('/').count() > 1 || token.contains('\\');
    let is_key = token.chars().count() > WORD_MAX && !token.contains(['.', '_', ':']);
    if token.contains('@') || token.contains('%') || is_path || is_key || !is_name {
        return "?".to_owned();
    }
    token.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{class, message};

    #[test]
    fn values_are_masked_and_words_stay() {
        for (text, expected) in [
            ("division by zero", "division by zero"),
            ("broken on purpose", "broken on purpose"),
            ("order 4711 not found", "order ? not found"),
            ("invalid literal for int() with base 10: 'abc'", "invalid literal for int() with base ?: ?"),
            ("'user_17'", "?"),
            (
                "duplicate key value violates unique constraint \"users_email_key\"\nDETAIL:  Key (email)=(anna@x.io)",
                "duplicate key value violates unique constraint \"users_email_key\"",
            ),
            ("DETAIL: Key (email)=(anna@x.io) already exists.", "DETAIL: Key (email)=? already exists."),
            ("relation \"nope\" does not exist", "relation \"nope\" does not exist"),
            ("invalid input syntax for type integer: \"secret\"", "invalid input syntax for type integer: ?"),
            (
                "(psycopg2.errors.UndefinedTable) relation \"nope\" does not exist",
                "(psycopg2.errors.UndefinedTable) relation \"nope\" does not exist",
            ),
            ("Table 'shop.users' doesn't exist", "Table 'shop.users' doesn't exist"),
            ("Duplicate entry 'anna' for key 'users.email'", "Duplicate entry ? for key ?"),
            ("connect ECONNREFUSED 10.0.0.7:5432", "connect ECONNREFUSED ?"),
            ("dial tcp 127.0.0.1:9: connect: connection refused", "dial tcp ?: connect: connection refused"),
            ("401 for https://anna:pw@api.example.com/v1/users/42?key=abc", "? for https://api.example.com/?"),
            ("login failed: password=hunter2 user=anna", "login failed: password=? user=?"),
            ("password: hunter", "password: ?"),
            ("Authorization: Bearer abcdef", "Authorization: ? ?"),
            ("mail to anna@example.com bounced", "mail to ? bounced"),
            ("No such file: /home/anna/letter", "No such file: ?"),
            ("session 550e8400-e29b-41d4-a716-446655440000 expired", "session ? expired"),
            ("can't read the user's cart", "can't read the user's cart"),
            ("unclosed 'secret of anna", "unclosed ?"),
            ("“geheim” ist falsch", "? ist falsch"),
            ("a\u{1b}[31mred\u{7}", "a [?"),
            ("\n\n  second  line first \r\n third", "second line first"),
            ("x == y => z", "x == y => z"),
        ] {
            assert_eq!(message(text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(message(" \n "), None);
    }

    #[test]
    fn a_message_is_bounded_and_never_cut_within_a_character() {
        let long = message(&"äh ".repeat(10_000)).unwrap();
        assert_eq!(long.chars().count(), 201);
        assert!(long.ends_with('…'));
        assert_eq!(message(&"k".repeat(300)).as_deref(), Some("?"), "a key of some kind");
    }

    #[test]
    fn a_class_stays_as_it_is_and_another_text_is_masked() {
        for (text, expected) in [
            ("java.lang.IllegalStateException", Some("java.lang.IllegalStateException")),
            ("*errors.errorString", Some("*errors.errorString")),
            ("System.Data.DataException`1[System.Int32]", Some("System.Data.DataException`1[System.Int32]")),
            ("503", Some("503")),
            (" ", None),
            ("user 'anna' failed", Some("user ? failed")),
        ] {
            assert_eq!(class(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(class(&"E".repeat(500)).unwrap().chars().count(), 121);
    }
}
