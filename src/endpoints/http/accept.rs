//! Response formats and their negotiation by `Accept`, as in RFC 9110.

use axum::http::{HeaderMap, header};

/// Format of the rows in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One object that contains all rows.
    Json,
    /// One object per line.
    Ndjson,
    /// RFC 4180, with or without a header line.
    Csv { header: bool },
    /// Arrow's IPC stream.
    Arrow,
}

impl Format {
    /// Formats in order of preference, for clients that accept several equally.
    const ALL: [Format; 4] = [Format::Json, Format::Ndjson, Format::Csv { header: true }, Format::Arrow];

    /// Media types of the format; the first is used in responses.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Format::Json => &["application/json"],
            Format::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Format::Csv { .. } => &["text/csv"],
            Format::Arrow => &["application/vnd.apache.arrow.stream"],
        }
    }

    /// Returns the value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Csv { header: true } => "text/csv; charset=utf-8; header=present",
            Format::Csv { header: false } => "text/csv; charset=utf-8; header=absent",
            other => other.media_types()[0],
        }
    }

    /// Returns the format that a request prefers, or an error message if none is acceptable.
    pub(super) fn wanted(headers: &HeaderMap) -> Result<Format, String> {
        let lines: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let found = lines.join(", ");
        let ranges: Vec<Range<'_>> = split(&found, ',').filter_map(Range::read).collect();
        // A missing or empty header accepts any format.
        if ranges.is_empty() {
            return Ok(Format::Json);
        }
        let mut best: Option<(u16, Format)> = None;
        for format in Format::ALL {
            if let Some((quality, format)) = format.quality(&ranges)
                && quality > best.map_or(0, |(most, _)| most)
            {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(|| {
            let known: Vec<&str> = Format::ALL.iter().map(|format| format.media_types()[0]).collect();
            format!("accept: expected one of {}, found {found:?}", known.join(", "))
        })
    }

    /// Returns the quality from the most specific matching range, in thousandths; among equally specific ranges, the highest
    /// quality.
    fn quality(self, ranges: &[Range<'_>]) -> Option<(u16, Format)> {
        let fitting = ranges.iter().filter_map(|range| Some((range.specificity(self)?, range)));
        let (_, range) = fitting.max_by_key(|(specificity, range)| (*specificity, range.quality))?;
        let format = match self {
            Format::Csv { .. } => Format::Csv { header: !range.without_header() },
            other => other,
        };
        Some((range.quality, format))
    }
}

/// One media range of the header.
#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, String)>,
    /// Quality in thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    /// Parses a range; `None` if it is invalid.
    fn read(text: &'a str) -> Option<Range<'a>> {
        let mut parts = split(text, ';');
        let kind = parts.next()?.trim();
        let (main, sub) = kind.split_once('/')?;
        if main.is_empty() || sub.is_empty() || (main == "*" && sub != "*") {
            return None;
        }
        let (mut parameters, mut quality) = (Vec::new(), 1000);
        for part in parts {
            let Some((name, value)) = part.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim().trim_matches('"').to_ascii_lowercase());
            if name.eq_ignore_ascii_case("q") {
                quality = thousandths(&value)?;
                // Parameters after `q` do not belong to the range.
                break;
            }
            parameters.push((name, value));
        }
        Some(Range { kind, parameters, quality })
    }

    /// Returns how specifically the range matches a format; `None` if it does not match.
    fn specificity(&self, format: Format) -> Option<usize> {
        if self.kind == "*/*" {
            return Some(0);
        }
        let is = |known: &&str| self.kind.eq_ignore_ascii_case(known);
        let within = |known: &&str| {
            let main = self.kind.strip_suffix("/*");
            main.is_some_and(|main| known.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(main)))
        };
        if format.media_types().iter().any(is) {
            let fits = |(name, value): &(&str, String)| match format {
                _ if name.eq_ignore_ascii_case("charset") => matches!(value.as_str(), "utf-8" | "utf8"),
                Format::Csv { .. } if name.eq_ignore_ascii_case("header") => {
                    matches!(value.as_str(), "present" | "absent")
                }
                _ => false,
            };
            return self.parameters.iter().all(fits).then(|| 2 + self.parameters.len());
        }
        format.media_types().iter().take(1).any(within).then_some(1)
    }

    fn without_header(&self) -> bool {
        self.parameters.iter().any(|(name, value)| name.eq_ignore_ascii_case("header") && value == "absent")
    }
}

/// Parses `0.25` as 250; at most three decimals are allowed.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    match (whole, rest) {
        ("0", rest) => Some(rest),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Splits at separators outside quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn wanted(lines: &[&str]) -> Result<Format, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        Format::wanted(&headers)
    }

    /// Expected values follow RFC 9110, 12.5.1.
    #[test]
    fn the_most_specific_range_decides_and_the_best_quality_wins() {
        let csv = Format::Csv { header: true };
        for (accept, expected) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/csv", csv),
            ("TEXT/CSV", csv),
            ("text/*", csv),
            ("text/csv; header=absent", Format::Csv { header: false }),
            ("text/csv;charset=\"UTF-8\";header=present", csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/jsonl", Format::Ndjson),
            ("application/vnd.apache.arrow.stream", Format::Arrow),
            ("application/*", Format::Json),
            ("text/html, application/xhtml+xml, */*;q=0.8", Format::Json),
            ("application/json;q=0.5, text/csv", csv),
            ("application/json;q=0.5, text/csv;q=0.4", Format::Json),
            ("*/*;q=0.1, application/vnd.apache.arrow.stream;q=0.2", Format::Arrow),
            ("*/*, application/json;q=0", Format::Ndjson),
            ("application/*;q=0, */*", csv),
            ("text/csv;q=0.001", csv),
            ("text/csv;q=1.000, application/json", Format::Json),
            ("nonsense", Format::Json),
            ("text/csv;q=2, application/x-ndjson", Format::Ndjson),
        ] {
            assert_eq!(wanted(&[accept]), Ok(expected), "{accept}");
        }
        assert_eq!(wanted(&["text/html", "text/csv"]), Ok(csv), "two lines are one list");
    }

    #[test]
    fn what_no_format_fits_is_refused_in_words() {
        for accept in
            ["text/html", "text/csv;q=0", "*/*;q=0", "image/*", "text/csv;header=maybe", "application/json;version=2"]
        {
            let told = wanted(&[accept]).unwrap_err();
            assert!(
                told.contains("application/json, application/x-ndjson, text/csv") && told.contains("accept"),
                "{told}"
            );
        }
    }
}
