//! JSON tokens: where values begin and end.
//!
//! Only structural errors fail here: brackets, quotes, colons and commas. An invalid word (`NaN`, `True`, `007`) is a value,
//! and the reader of the field reports that it does not fit: it must not fail the whole body.

use std::borrow::Cow;

/// Invalid JSON: where parsing stopped, and what was expected there.
#[derive(Debug)]
pub(super) struct Broken {
    at: usize,
    expected: &'static str,
}

pub(super) type Read<T> = Result<T, Broken>;

impl Broken {
    /// Describes the fault with line and column.
    pub(super) fn told(&self, text: &str) -> String {
        let before = &text[..text.floor_char_boundary(self.at)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        let found = match text.get(before.len()..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("{character:?}"),
            None => "the end".to_owned(),
        };
        format!("expected {} at line {line}, column {column}, found {found}", self.expected)
    }
}

/// A complete value; objects and lists have been skipped.
#[derive(Debug)]
pub(super) enum Token<'a> {
    Null,
    Text(Cow<'a, str>),
    /// Anything without quotes: a number, `true`, or an invalid word.
    Word(&'a str),
    Object,
    List,
}

/// A text with the current offset.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) const fn of(text: &'a str) -> Scan<'a> {
        Scan { text, at: 0 }
    }

    /// Returns the next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    pub(super) fn broken<T>(&self, expected: &'static str) -> Read<T> {
        Err(Broken { at: self.at, expected })
    }

    /// Consumes a byte if it is the next one.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Consumes a byte that must come next.
    pub(super) fn needs(&mut self, byte: u8, expected: &'static str) -> Read<()> {
        if self.takes(byte) { Ok(()) } else { self.broken(expected) }
    }

    /// Reads a complete value.
    pub(super) fn token(&mut self) -> Read<Token<'a>> {
        Ok(match self.peek() {
            Some(b'"') => Token::Text(self.string()?),
            Some(b'{') => {
                self.pass_nested()?;
                Token::Object
            }
            Some(b'[') => {
                self.pass_nested()?;
                Token::List
            }
            _ => match self.word()? {
                "null" => Token::Null,
                word => Token::Word(word),
            },
        })
    }

    /// Skips a value.
    pub(super) fn pass(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.pass_string().map(drop),
            Some(b'{' | b'[') => self.pass_nested(),
            _ => self.word().map(drop),
        }
    }

    fn word(&mut self) -> Read<&'a str> {
        let rest = &self.text[self.at..];
        let ends = |byte: u8| byte.is_ascii_whitespace() || b",:]}[{\"".contains(&byte);
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        if length == 0 {
            return self.broken("a value");
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Skips an object or a list of any depth.
    fn pass_nested(&mut self) -> Read<()> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(byte @ (b'}' | b']')) if open.last() == Some(&byte) => drop(open.pop()),
                Some(b',' | b':') => {}
                Some(b'"') => {
                    self.pass_string()?;
                    continue;
                }
                None | Some(b'}' | b']') => return self.broken("the end of an object or a list"),
                Some(_) => {
                    self.word()?;
                    continue;
                }
            }
            self.at += 1;
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Skips a quoted text; returns true if it contains escapes.
    fn pass_string(&mut self) -> Read<bool> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (self.at + 1, false);
        loop {
            let Some(length) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'"' | b'\\')))
            else {
                self.at = bytes.len();
                return self.broken("the end of a text");
            };
            at += length;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(escaped);
            }
            escaped = true;
            at += 2;
        }
    }

    /// Reads the quoted text that comes next.
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let escaped = self.pass_string()?;
        let inner = &self.text[start..self.at - 1];
        Ok(if escaped { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) })
    }
}

/// Decodes the escapes of a text. Invalid escapes and lone surrogates become U+FFFD: one bad character must not cost more.
fn unescaped(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else { break };
        rest = &rest[kind.len_utf8()..];
        out.push(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => letter(&mut rest),
            _ => char::REPLACEMENT_CHARACTER,
        });
    }
    out.push_str(rest);
    out
}

/// Decodes the character of a `\u` escape at its digits; combines a surrogate pair.
fn letter(rest: &mut &str) -> char {
    let Some(first) = hex(rest) else { return char::REPLACEMENT_CHARACTER };
    *rest = &rest[4..];
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    let second = rest.strip_prefix("\\u").and_then(hex).filter(|second| (0xdc00..0xe000).contains(second));
    let Some(second) = second else { return char::REPLACEMENT_CHARACTER };
    *rest = &rest[6..];
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Parses four hex digits.
fn hex(rest: &str) -> Option<u32> {
    let digits = rest.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Read<Token<'_>> {
        let mut scan = Scan::of(text);
        let token = scan.token()?;
        if scan.peek().is_some() { scan.broken("nothing more") } else { Ok(token) }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Compares with `serde_json`.
        #[test]
        fn texts_are_read_as_json_has_them(text in any::<String>()) {
            for written in [serde_json::to_string(&text).unwrap(), ascii(&text)] {
                let Ok(Token::Text(read)) = tokens(&written) else { panic!("{written}") };
                prop_assert_eq!(&*read, text.as_str());
            }
        }

        #[test]
        fn anything_ends_without_a_panic(text in "[\\[\\]{}:,\"\\\\u0d8a é]{0,40}") {
            let _ = tokens(&text);
        }
    }

    /// Escapes every character, those beyond 16 bits as surrogate pairs.
    fn ascii(text: &str) -> String {
        let escapes: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{}\"", escapes.concat())
    }

    #[test]
    fn only_what_has_no_structure_is_an_error() {
        for good in ["{}", "[1, {\"a\": [NaN, True]}, \"]\"]", " 007 ", "\"\\x\"", "\"a\tb\"", "null"] {
            assert!(tokens(good).is_ok(), "{good}");
        }
        for bad in ["", "{", "[1, 2", "[}", "\"open", "\"\\", "{} x", "]", ","] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
        let told = tokens("{\"a\":\n [1, 2").expect_err("is no JSON").told("{\"a\":\n [1, 2");
        assert_eq!(told, "expected the end of an object or a list at line 2, column 7, found the end");
    }
}
