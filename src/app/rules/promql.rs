//! Building blocks of PromQL.

use globset::GlobBuilder;
use std::fmt::Write as _;

/// A label matcher.
pub(super) struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

impl Matcher {
    pub(super) fn is(label: &str, value: &str) -> Matcher {
        Matcher { label: label.to_owned(), operator: "=", value: value.to_owned() }
    }

    /// Matches a regular expression, which Prometheus anchors at both ends.
    pub(super) fn fits(label: &str, regex: &str) -> Matcher {
        Matcher { label: label.to_owned(), operator: "=~", value: regex.to_owned() }
    }
}

/// Returns a series selector. A name that needs quotes is written within the braces, as in Prometheus 3.
pub(super) fn selector(metric: &str, matchers: &[Matcher]) -> String {
    let one = |matcher: &Matcher| format!("{}{}{}", name(&matcher.label), matcher.operator, text(&matcher.value));
    let matchers = matchers.iter().map(one);
    if is_plain(&metric.replace(':', "_")) {
        return format!("{metric}{{{}}}", matchers.collect::<Vec<_>>().join(", "));
    }
    format!("{{{}}}", std::iter::once(text(metric)).chain(matchers).collect::<Vec<_>>().join(", "))
}

/// Returns `by (…)`.
pub(super) fn by(labels: &[&str]) -> String {
    format!("by ({})", labels.iter().map(|label| name(label)).collect::<Vec<_>>().join(", "))
}

/// Returns whether a name needs no quotes.
pub(super) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn name(label: &str) -> String {
    if is_plain(label) { label.to_owned() } else { text(label) }
}

/// Quotes text for PromQL and Go templates.
pub(super) fn text(plain: &str) -> String {
    let mut out = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Characters that YAML does not allow unescaped.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                let _written = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Formats a number without floating-point noise.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.10}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Converts a glob to an equivalent regular expression; returns `None` if it matches anything.
pub(super) fn regex(glob: &str) -> Option<String> {
    if glob == "*" {
        return None;
    }
    // Patterns were validated with the configuration.
    let built = GlobBuilder::new(glob).build().ok()?;
    let regex = built.regex();
    let regex = regex.strip_prefix("(?-u)").unwrap_or(regex);
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    Some(readable(regex.strip_suffix('$').unwrap_or(regex)))
}

/// Replaces byte escapes by characters, because Go's regular expressions have no byte escapes.
fn readable(regex: &str) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(regex.len());
    let mut rest = regex.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'\\', [b'x', high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        match (byte, first, after) {
            (Some(byte), ..) => {
                out.push(byte);
                rest = &after[3..];
            }
            (None, b'\\', [escaped, behind @ ..]) => {
                out.extend([b'\\', *escaped]);
                rest = behind;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
