//! Scalars. Null leaves its field unchanged.

use super::super::super::value::from_base64;
use super::super::number;
use super::super::scan::{Read, Token};
use super::Reader;

const TEXT: &str = "text";
const TRUTH: &str = "true or false";
const DOUBLE: &str = "a number";
const SIGNED_64: &str = "a whole number of 64 bits, as text or number";
const UNSIGNED_64: &str = "a whole number of 64 bits, 0 or more, as text or number";
const SIGNED_32: &str = "a whole number of 32 bits";
const UNSIGNED_32: &str = "a whole number of 32 bits, 0 or more";
const WORD: &str = "the number of an enum's value, or its name";
const BYTES: &str = "bytes in base64";

impl<'a> Reader<'a> {
    pub(in super::super) fn scalar<T>(
        &mut self,
        expected: &str,
        take: impl FnOnce(&Token<'a>) -> Option<T>,
    ) -> Read<Option<T>> {
        let token = self.scan.token()?;
        if matches!(token, Token::Null) {
            return Ok(None);
        }
        let taken = take(&token);
        if taken.is_none() {
            self.spoil(expected, &token);
        }
        Ok(taken)
    }

    pub(in super::super) fn text(&mut self) -> Read<Option<String>> {
        self.scalar(TEXT, |token| match token {
            Token::Text(text) => Some((**text).to_owned()),
            _ => None,
        })
    }

    pub(in super::super) fn bool(&mut self) -> Read<Option<bool>> {
        self.scalar(TRUTH, |token| match token {
            Token::Word("true") => Some(true),
            Token::Word("false") => Some(false),
            _ => None,
        })
    }

    pub(in super::super) fn i64(&mut self) -> Read<Option<i64>> {
        self.scalar(SIGNED_64, whole)
    }

    pub(in super::super) fn f64(&mut self) -> Read<Option<f64>> {
        self.scalar(DOUBLE, double)
    }

    pub(in super::super) fn base64(&mut self) -> Read<Option<Vec<u8>>> {
        self.scalar(BYTES, |token| match token {
            Token::Text(text) => from_base64(text),
            _ => None,
        })
    }

    pub(in super::super) fn set_text(&mut self, into: &mut String) -> Read<()> {
        self.text().map(|text| set(into, text))
    }

    pub(in super::super) fn set_bool(&mut self, into: &mut bool) -> Read<()> {
        self.bool().map(|truth| set(into, truth))
    }

    pub(in super::super) fn set_u64(&mut self, into: &mut u64) -> Read<()> {
        self.scalar(UNSIGNED_64, whole).map(|number| set(into, number))
    }

    pub(in super::super) fn set_u32(&mut self, into: &mut u32) -> Read<()> {
        self.scalar(UNSIGNED_32, whole).map(|number| set(into, number))
    }

    pub(in super::super) fn set_i32(&mut self, into: &mut i32) -> Read<()> {
        self.scalar(SIGNED_32, whole).map(|number| set(into, number))
    }

    pub(in super::super) fn set_f64(&mut self, into: &mut f64) -> Read<()> {
        self.f64().map(|number| set(into, number))
    }

    /// Reads a number with explicit presence.
    pub(in super::super) fn set_some_f64(&mut self, into: &mut Option<f64>) -> Read<()> {
        self.f64().map(|number| *into = number.or(*into))
    }

    /// Reads an enum: its number or its name.
    pub(in super::super) fn set_word(&mut self, into: &mut i32, number: fn(&str) -> Option<i32>) -> Read<()> {
        let taken = self.scalar(WORD, |token| match token {
            Token::Text(name) => number(name).or_else(|| whole(token)),
            token => whole(token),
        });
        taken.map(|number| set(into, number))
    }

    /// Reads an id in hex digits. Its length is checked per item.
    pub(in super::super) fn set_id(&mut self, into: &mut Vec<u8>, expected: &str) -> Read<()> {
        let taken = self.scalar(expected, |token| match token {
            Token::Text(text) => from_hex(text),
            _ => None,
        });
        taken.map(|id| set(into, id))
    }

    pub(in super::super) fn add_texts(&mut self, into: &mut Vec<String>) -> Read<()> {
        self.entries(|reader| reader.text().map(|text| into.extend(text)))
    }

    pub(in super::super) fn add_u64s(&mut self, into: &mut Vec<u64>) -> Read<()> {
        self.entries(|reader| reader.entry(UNSIGNED_64, into, whole))
    }

    pub(in super::super) fn add_f64s(&mut self, into: &mut Vec<f64>) -> Read<()> {
        self.entries(|reader| reader.entry(DOUBLE, into, double))
    }

    /// Reads an entry of a list of numbers, which must not be null.
    fn entry<T>(&mut self, expected: &str, into: &mut Vec<T>, take: fn(&Token<'a>) -> Option<T>) -> Read<()> {
        let token = self.scan.token()?;
        match take(&token) {
            Some(value) => into.push(value),
            None => self.spoil(expected, &token),
        }
        Ok(())
    }
}

fn set<T>(into: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *into = value;
    }
}

/// Parses an integer in any notation, as text or number.
fn whole<T: TryFrom<i128> + std::str::FromStr>(token: &Token<'_>) -> Option<T> {
    let text = match token {
        Token::Text(text) => &**text,
        Token::Word(word) => word,
        _ => return None,
    };
    text.parse().ok().or_else(|| T::try_from(number::whole(text)?).ok())
}

fn double(token: &Token<'_>) -> Option<f64> {
    match token {
        Token::Text(text) => number::double(text),
        Token::Word(word) => number::double(word),
        _ => None,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
