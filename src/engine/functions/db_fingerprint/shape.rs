//! The shape of a statement: the same text with the same literal for every literal.
//!
//! Statements that differ in their literals alone have one shape, and finding it costs a walk over the bytes where
//! parsing costs a hundred times that. It is only a key: whether the shape has the fingerprint of the statement is tried
//! once for each.

use std::borrow::Cow;

/// Stand for any number and any text. Nobody writes them, so they are not taken for what a statement really says.
const NUMBER: &str = "7177";
const TEXT: &str = "'q7177'";

/// The shape; `None` where quotes or comments could mean something else than in most dialects.
pub(super) fn of(query: &str) -> Option<Cow<'_, str>> {
    let bytes = query.as_bytes();
    let is_odd = |at: usize| match bytes[at] {
        b'"' | b'`' | b'\\' | b'#' | b'[' | b'{' => true,
        b'-' | b'/' => matches!(bytes.get(at + 1), Some(b'-' | b'*')),
        b'$' => !bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
        byte => !byte.is_ascii(),
    };
    if (0..bytes.len()).any(is_odd) {
        return None;
    }
    let mut shape = String::with_capacity(query.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let end = match bytes[at] {
            b'\'' => Some((text_end(bytes, at)?, TEXT)),
            byte if byte.is_ascii_digit() => number_end(bytes, at).map(|end| (end, NUMBER)),
            _ => None,
        };
        let Some((end, stands)) = end.filter(|_| at == 0 || !continues_word(bytes[at - 1])) else {
            at += 1;
            continue;
        };
        shape.push_str(&query[copied..at]);
        shape.push_str(stands);
        (at, copied) = (end, end);
    }
    if copied == 0 {
        return Some(Cow::Borrowed(query));
    }
    shape.push_str(&query[copied..]);
    Some(Cow::Owned(shape))
}

/// Where a quoted text ends; `None` where a quote is doubled in it, which is not everybody's way to write one.
fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let end = start + 1 + bytes[start + 1..].iter().position(|byte| *byte == b'\'')? + 1;
    (bytes.get(end) != Some(&b'\'')).then_some(end)
}

/// Where a number of digits alone ends; `None` for any other.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let length = bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len() - start);
    let end = start + length;
    bytes.get(end).is_none_or(|byte| !continues_word(*byte)).then_some(end)
}

/// Whether a byte before a literal makes it part of a word, a longer number or a placeholder.
fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b':' | b'@' | b'?' | b'\'')
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn literals_alone_make_no_difference() {
        let one = of("SELECT a FROM t1 WHERE b = 17 AND c = 'x y' LIMIT 5");
        assert_eq!(one, of("SELECT a FROM t1 WHERE b = 4 AND c = '' LIMIT 50"));
        assert_ne!(one, of("SELECT a FROM t2 WHERE b = 17 AND c = 'x y' LIMIT 5"));
        assert_eq!(
            of("SELECT a FROM t1 WHERE b = $12 AND c = 1.5").as_deref(),
            Some("SELECT a FROM t1 WHERE b = $12 AND c = 1.5")
        );
    }

    #[test]
    fn what_could_mean_something_else_has_no_shape() {
        for query in [
            "SELECT \"a\"",
            "SELECT 1 -- it's",
            "SELECT 1 /* ' */",
            "SELECT E'\\''",
            "SELECT $$it's$$",
            "SELECT 'open",
            "SELECT 'it''s'",
        ] {
            assert_eq!(of(query), None, "{query}");
        }
    }
}
