//! `cache_status(header)`: the result of the lookup in a `Cache-Status` header (RFC 9211): `hit`, `miss`, or `none` if
//! the cache was not consulted; null if the header has neither. The header is text or a JSON array of its lines.
//!
//! Each cache appends its member, so the last one belongs to the cache nearest to the client and decides.

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// Creates `cache_status(header)`.
pub(super) fn cache_status() -> ScalarUDF {
    create_udf("cache_status", vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(evaluate))
}

fn evaluate(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let columns = ColumnarValue::values_to_arrays(arguments)?;
    let said: StringArray = columns[0].as_string::<i32>().iter().map(|header| of(header?)).collect();
    Ok(ColumnarValue::Array(Arc::new(said)))
}

fn of(header: &str) -> Option<&'static str> {
    if header.trim_start().starts_with('[')
        && let Ok(lines) = serde_json::from_str::<Vec<String>>(header)
    {
        // Several lines of one header are one list.
        return of_list(&lines.join(","));
    }
    of_list(header)
}

fn of_list(list: &str) -> Option<&'static str> {
    let last = split(list, ',').into_iter().rev().find(|member| !member.trim().is_empty())?;
    let mut said = None;
    for parameter in split(last, ';').into_iter().skip(1) {
        let (key, value) = parameter.split_once('=').map_or((parameter, None), |(key, value)| (key, Some(value)));
        match (key.trim(), value.map(|value| value.trim().trim_matches('"'))) {
            ("hit", None | Some("?1")) => return Some("hit"),
            ("fwd", Some("bypass" | "method" | "request")) => said = Some("none"),
            ("fwd", Some(_)) => said = Some("miss"),
            _ => {}
        }
    }
    said
}

/// Splits at separators outside quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::of;

    /// The examples and rules of RFC 9211, section 3.
    #[test]
    fn the_last_member_decides() {
        for (header, expected) in [
            ("ExampleCache; hit; ttl=376", Some("hit")),
            ("ExampleCache; fwd=uri-miss", Some("miss")),
            ("ExampleCache; fwd=uri-miss; stored", Some("miss")),
            ("ExampleCache; fwd=stale; fwd-status=304", Some("miss")),
            ("ExampleCache; fwd=bypass", Some("none")),
            ("ExampleCache; fwd=method; detail=\"POST, not cached\"", Some("none")),
            ("ExampleCache; fwd=request; key=\"a;hit\"", Some("none")),
            ("OriginCache; hit; ttl=1100, \"CDN Company Here\"; hit; ttl=545", Some("hit")),
            ("ReverseProxyCache; fwd=miss, \"a, b\"; hit", Some("hit")),
            ("OriginCache; hit, CDN; fwd=vary-miss", Some("miss")),
            ("CDN;hit", Some("hit")),
            ("CDN; hit=?1", Some("hit")),
            ("CDN; hit=?0", None),
            ("CDN; ttl=3", None),
            ("HIT", None),
            ("", None),
            ("[\"OriginCache; hit\",\"CDN; fwd=uri-miss\"]", Some("miss")),
            ("[\"OriginCache; fwd=miss, \\\"C,D\\\"; hit\"]", Some("hit")),
            ("[]", None),
            ("[not JSON; hit", Some("hit")),
            ("a; key=\"unclosed, b; hit", None),
        ] {
            assert_eq!(of(header), expected, "{header}");
        }
    }
}
