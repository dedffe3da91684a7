//! The shape of a statement: its text with one fixed literal in place of every literal.
//!
//! Statements that differ only in literals have one shape. Finding it takes one pass over the bytes, a hundredth of the time
//! of parsing. It is only a cache key: whether the shape has the statement's fingerprint is checked once per shape.

use std::borrow::Cow;

/// Replacements for any number and any string. Nobody writes them, so they do not collide with real literals.
const NUMBER: &str = "7177";
const TEXT: &str = "'q7177'";

/// Returns the shape; `None` if quotes or comments may be ambiguous. `names` are the characters that begin a quoted
/// name in the statement's dialect; names are part of the shape.
pub(super) fn of<'a>(query: &'a str, names: &[u8]) -> Option<Cow<'a, str>> {
    let bytes = query.as_bytes();
    let mut shape = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let word = at > 0 && continues_word(bytes[at - 1]);
        let (end, stands) = match bytes[at] {
            b'\'' if word => return None,
            b'\'' => (text_end(bytes, at)?, Some(TEXT)),
            b'/' if bytes.get(at + 1) == Some(&b'*') => (comment_end(bytes, at)?, Some(" ")),
            b'-' if bytes.get(at + 1) == Some(&b'-') => return None,
            b'$' if !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => return None,
            quote if names.contains(&quote) => (name_end(bytes, at)?, None),
            b'"' | b'`' | b'\\' | b'#' | b'[' | b'{' => return None,
            byte if !byte.is_ascii() => return None,
            byte if byte.is_ascii_digit() && !word => match number_end(bytes, at) {
                Some(end) => (end, Some(NUMBER)),
                None => (at + 1, None),
            },
            _ => (at + 1, None),
        };
        if let Some(stands) = stands {
            shape.push_str(&query[copied..at]);
            shape.push_str(stands);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Some(Cow::Borrowed(query));
    }
    shape.push_str(&query[copied..]);
    Some(Cow::Owned(shape))
}

/// Returns the end of a quoted string; `None` if it contains a doubled or escaped quote, which dialects interpret
/// differently.
fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let length = bytes[start + 1..].iter().position(|byte| matches!(byte, b'\'' | b'\\'))?;
    let end = start + 1 + length + 1;
    (bytes[end - 1] == b'\'' && bytes.get(end) != Some(&b'\'')).then_some(end)
}

/// Returns the end of a quoted name; `None` if it contains a doubled quote.
fn name_end(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = if bytes[start] == b'[' { b']' } else { bytes[start] };
    let length = bytes[start + 1..].iter().position(|byte| matches!(byte, b'\\') || *byte == quote)?;
    let end = start + 1 + length + 1;
    (bytes[end - 1] == quote && bytes.get(end) != Some(&quote)).then_some(end)
}

/// Returns the end of a comment, such as the trace context that drivers add; `None` for a hint, for a comment that
/// MySQL executes, and for nested comments.
fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let inner = &bytes[start + 2..];
    let length = inner.windows(2).position(|pair| pair == b"*/")?;
    let inner = &inner[..length];
    let is_plain = !matches!(inner.first(), Some(b'!' | b'+' | b'M')) && !inner.windows(2).any(|pair| pair == b"/*");
    is_plain.then_some(start + 2 + length + 2)
}

/// Returns the end of a number made of digits only; `None` for any other.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let length = bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len() - start);
    let end = start + length;
    bytes.get(end).is_none_or(|byte| !continues_word(*byte)).then_some(end)
}

/// Returns whether a byte before a literal makes it part of a word, a longer number or a placeholder.
fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b':' | b'@' | b'?' | b'\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Option<Cow<'_, str>> {
        super::of(query, b"\"")
    }

    #[test]
    fn literals_alone_make_no_difference() {
        let one = of("SELECT a FROM t1 WHERE b = 17 AND c = 'x y' LIMIT 5");
        assert_eq!(one, of("SELECT a FROM t1 WHERE b = 4 AND c = '' LIMIT 50"));
        assert_eq!(one, of("SELECT a FROM t1 WHERE b = 4 AND c = 'é -- \"x\" /*' LIMIT 50"));
        assert_ne!(one, of("SELECT a FROM t2 WHERE b = 17 AND c = 'x y' LIMIT 5"));
        assert_eq!(
            of("SELECT a FROM t1 WHERE b = $12 AND c = 1.5").as_deref(),
            Some("SELECT a FROM t1 WHERE b = $12 AND c = 1.5")
        );
    }

    #[test]
    fn names_are_kept() {
        let one = of(r#"SELECT "t1"."é 5" FROM "t1" WHERE "a" = 5"#);
        assert_eq!(one, of(r#"SELECT "t1"."é 5" FROM "t1" WHERE "a" = 6"#));
        assert_ne!(one, of(r#"SELECT "t1"."é 6" FROM "t1" WHERE "a" = 5"#));
        let of = |query: &'static str| super::of(query, b"`[");
        assert_eq!(of("SELECT `a` FROM [t 1] WHERE b = 1"), of("SELECT `a` FROM [t 1] WHERE b = 2"));
    }

    #[test]
    fn comments_are_left_out() {
        let one = of("SELECT 1 FROM t /*traceparent='00-1-2-01'*/");
        assert_eq!(one, of("SELECT 2 FROM t /*traceparent='00-3-4-01'*/"));
        assert_eq!(one.as_deref(), Some("SELECT 7177 FROM t  "));
    }

    #[test]
    fn what_could_mean_something_else_has_no_shape() {
        for query in [
            "SELECT `a`",
            "SELECT \"a",
            "SELECT \"a\"\"b\"",
            "SELECT 1 -- it's",
            "SELECT /*+ index(t 5) */ 1",
            "SELECT /*!50000 1 */",
            "SELECT 1 /* /* 5 */ */",
            "SELECT 1 /* open",
            "SELECT E'\\''",
            "SELECT E'a'",
            "SELECT $$it's$$",
            "SELECT 'open",
            "SELECT 'it''s'",
            "SELECT é",
        ] {
            assert_eq!(of(query), None, "{query}");
        }
    }
}
