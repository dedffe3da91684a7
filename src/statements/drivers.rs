//! Placeholders of drivers that are no SQL: `%s` and `%(name)s` of Python, `@p0` of .NET, `:name`, `?` of JDBC. Drivers
//! report them in the text, where they parse as operators or names, or not at all.
//!
//! Each becomes a number, a literal in every dialect, as do bare UUIDs. Replacing one inside a string or a comment is
//! harmless, because these are masked as a whole. So this module need not parse quotes.

use std::borrow::Cow;

/// A separate literal: `id=%s` must not become `id=0` joined with the following characters.
const LITERAL: &str = " 0 ";

/// Words after which `@name` is a variable or a table instead of a value.
const NAMING: [&str; 12] =
    ["DECLARE", "SET", "FROM", "JOIN", "INTO", "UPDATE", "EXEC", "EXECUTE", "CALL", "OUTPUT", "TABLE", "USING"];
/// Words after which `@name =` is a comparison instead of an assignment.
const CONDITIONS: [&str; 7] = ["WHERE", "AND", "OR", "ON", "NOT", "WHEN", "HAVING"];

/// Replaces the placeholders of drivers by literals. If `colons` is false, `:name` remains, because labels of graphs
/// (`(:Person)`) look like it.
pub(super) fn settled(query: &str, colons: bool) -> Cow<'_, str> {
    let bytes = query.as_bytes();
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let length = match bytes[at] {
            b'%' => percent(bytes, at),
            b'?' => question(bytes, at),
            b'@' => named(query, at),
            b':' if colons => colon(bytes, at),
            byte if byte.is_ascii_hexdigit() => uuid(bytes, at),
            _ => None,
        };
        let Some(length) = length else {
            at += 1;
            continue;
        };
        out.push_str(&query[copied..at]);
        out.push_str(LITERAL);
        at += length;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(query);
    }
    out.push_str(&query[copied..]);
    Cow::Owned(out)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|at| bytes[at])
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len())
}

/// Returns the first byte from `at` on that is no space.
fn next(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    let skipped = bytes.get(at..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some((at + skipped, bytes[at + skipped]))
}

/// Matches `%s`, `%(name)s`, and `%b`, `%t` of psycopg 3. `a%s` is a modulo.
fn percent(bytes: &[u8], at: usize) -> Option<usize> {
    if before(bytes, at).is_some_and(|byte| is_word(byte) || matches!(byte, b')' | b']' | b'"' | b'`' | b'%')) {
        return None;
    }
    let named = match bytes.get(at + 1)? {
        b'(' => bytes[at..].iter().take(200).position(|byte| *byte == b')')?,
        _ => 0,
    };
    let kind = at + named + 1;
    let ends = bytes.get(kind + 1).is_none_or(|byte| !is_word(*byte));
    (ends && matches!(bytes.get(kind)?, b's' | b'b' | b't' | b'd')).then_some(named + 2)
}

/// Matches `?` and `?17`, unless it is a JSON operator, which is followed by an operand.
fn question(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes[at + 1..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len() - at - 1);
    let is_part = |byte: u8| matches!(byte, b'?' | b'|' | b'&' | b'@' | b'#');
    if before(bytes, at).is_some_and(is_part) || bytes.get(at + 1).copied().is_some_and(is_part) {
        return None;
    }
    let operand = next(bytes, at + 1).is_some_and(|(_, byte)| matches!(byte, b'\'' | b'$' | b'?' | b'('));
    let is_text = before(bytes, at) == bytes.get(at + 1).copied() && before(bytes, at) == Some(b'\'');
    (!operand || is_text).then_some(digits + 1)
}

/// Matches `@name` as a value.
fn named(query: &str, at: usize) -> Option<usize> {
    let bytes = query.as_bytes();
    let is_joined = |byte: u8| is_word(byte) || matches!(byte, b'@' | b'.' | b'\'' | b'"' | b'`');
    if before(bytes, at).is_some_and(is_joined) || !bytes.get(at + 1).is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    let length = 1 + word_length(&bytes[at + 1..]);
    let ahead = query[..at].trim_end();
    let word =
        &ahead[ahead.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |end| end + 1).min(ahead.len())..];
    let behind = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if ahead.is_empty() || behind(&NAMING) {
        return None;
    }
    let assigned = match next(bytes, at + length) {
        Some((at, b':')) => bytes.get(at + 1) == Some(&b'='),
        Some((_, b'=')) => !behind(&CONDITIONS) && !ahead.ends_with('('),
        _ => false,
    };
    (!assigned).then_some(length)
}

/// Matches `:name` and `:1` after a space or an operator.
fn colon(bytes: &[u8], at: usize) -> Option<usize> {
    let opens = |byte: u8| byte.is_ascii_whitespace() || b"(=,<>+-*/|!".contains(&byte);
    let length = word_length(&bytes[at + 1..]);
    (before(bytes, at).is_some_and(opens) && length > 0).then_some(length + 1)
}

/// Matches a UUID, quoted or not.
fn uuid(bytes: &[u8], at: usize) -> Option<usize> {
    const LENGTH: usize = 36;
    let text = bytes.get(at..at + LENGTH)?;
    let is_joined = |byte: u8| is_word(byte) || byte == b'-';
    let fits = text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let stands_alone =
        !before(bytes, at).is_some_and(is_joined) && !bytes.get(at + LENGTH).copied().is_some_and(is_joined);
    (fits && stands_alone).then_some(LENGTH)
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let settled = settled(query, true);
        assert_eq!(settled.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{query}");
    }

    #[test]
    fn placeholders_of_drivers_become_literals() {
        check("a=%s AND b IN (%s,%s)", "a= 0 AND b IN ( 0 , 0 )");
        check("a = %(id_1)s", "a = 0");
        check("a = @p0 AND b > @__from_1", "a = 0 AND b > 0");
        check("WHERE @p = a AND (@q = b)", "WHERE 0 = a AND ( 0 = b)");
        check("a = :id OR b = :2", "a = 0 OR b = 0");
        check("a = ? LIMIT ?2", "a = 0 LIMIT 0");
        check("a = 5f2b0e3c-1d4e-11ee-be56-0242ac120002", "a = 0");
    }

    #[test]
    fn names_and_operators_stay() {
        for query in [
            "SELECT a%s FROM t",
            "SELECT a % s, 5 %size FROM t",
            "LIKE '%some'",
            "SET @x = 5",
            "SELECT @x := 5, @@max_allowed_packet",
            "SELECT @x = a, @y = b FROM t",
            "EXEC p @a = 5, @b = 6",
            "SELECT a FROM @rows",
            "b @> c",
            "it@example.com",
            "a::text",
            "a:b.c",
            "a ? 'key' AND a ?| b AND a ?? b",
        ] {
            check(query, query);
        }
    }
}
