//! Content negotiation of a scrape through `Accept` and `Accept-Encoding`.

use super::escape::Escaping;

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/plain; version=0.0.4`.
    Text004,
    /// `text/plain; version=1.0.0`: the same text, in which names may be quoted.
    Text100,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
    /// `application/vnd.google.protobuf`, length-delimited families.
    Protobuf,
}

/// The negotiated format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) format: Format,
    pub(super) escaping: Escaping,
}

impl Wish {
    /// Returns the response's `Content-Type`.
    pub(super) fn content_type(self) -> String {
        let format = match self.format {
            Format::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Format::Text100 => "text/plain; version=1.0.0; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{format}; escaping={}", self.escaping.word())
    }
}

/// Returns the client's preferred format; the first of equals; text 0.0.4 if nothing matches.
pub(super) fn wish(accept: &str, with_open_metrics: bool) -> Wish {
    let chosen = best(accept, |range, parameters| {
        let of = |wanted: &str| parameter(parameters, wanted);
        let format = match (range, of("version")) {
            ("application/openmetrics-text", None | Some("1.0.0")) if with_open_metrics => Format::OpenMetrics,
            ("application/vnd.google.protobuf", _)
                if of("proto") == Some("io.prometheus.client.MetricFamily") && of("encoding") == Some("delimited") =>
            {
                Format::Protobuf
            }
            ("text/plain", Some("1.0.0")) => Format::Text100,
            ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Format::Text004,
            _ => return None,
        };
        Some((format, escaping(parameters)))
    });
    let (format, named) = chosen.unwrap_or((Format::Text004, None));
    // Prometheus states its escaping only for the text formats, but applies it to protobuf as well.
    let elsewhere = || ranges(accept).find_map(|(_, parameters, _)| escaping(&parameters));
    let named = if format == Format::Protobuf { named.or_else(elsewhere) } else { named }.unwrap_or_default();
    // The older text format has no quoted names.
    let cannot = format == Format::Text004 && named == Escaping::AllowUtf8;
    Wish { format, escaping: if cannot { Escaping::default() } else { named } }
}

fn parameter<'a>(parameters: &[(&str, &'a str)], wanted: &str) -> Option<&'a str> {
    parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
}

/// Returns the escaping scheme of a range, if it is a known one.
fn escaping(parameters: &[(&str, &str)]) -> Option<Escaping> {
    let word = parameter(parameters, "escaping")?;
    Escaping::ALL.into_iter().find(|scheme| scheme.word() == word)
}

/// Returns true if the client accepts gzip.
pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    let named = |wanted: &str| {
        ranges(accept_encoding).find(|(coding, _, _)| coding.eq_ignore_ascii_case(wanted)).map(|(_, _, q)| q > 0.0)
    };
    named("gzip").or_else(|| named("*")).unwrap_or(false)
}

fn best<T>(header: &str, choose: impl Fn(&str, &[(&str, &str)]) -> Option<T>) -> Option<T> {
    let mut best: Option<(f32, T)> = None;
    for (range, parameters, quality) in ranges(header) {
        let Some(choice) = choose(&range.to_ascii_lowercase(), &parameters).filter(|_| quality > 0.0) else { continue };
        if best.as_ref().is_none_or(|(held, _)| quality > *held) {
            best = Some((quality, choice));
        }
    }
    best.map(|(_, choice)| choice)
}

/// Iterates over the ranges with their parameters and quality.
fn ranges(header: &str) -> impl Iterator<Item = (&str, Vec<(&str, &str)>, f32)> {
    header.split(',').map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> =
            parts.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.trim(), v.trim().trim_matches('"'))).collect();
        let quality = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0);
        (range, parameters, quality)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    /// Sent by Prometheus 3.15, without and with native histograms enabled.
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
        application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        text/plain;version=0.0.4;q=0.4,*/*;q=0.3";
    const PROMETHEUS_3_NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[test]
    fn the_format_is_what_the_client_likes_best() {
        for (accept, expected) in [
            ("", Format::Text004),
            ("*/*", Format::Text004),
            ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Format::Text004),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", Format::OpenMetrics),
            ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text; version=1.0.0; q=0.2", Format::Text004),
            ("application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5", Format::Text004),
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (PROMETHEUS_3, Format::OpenMetrics),
            (PROMETHEUS_3_NATIVE, Format::Protobuf),
            (PROTOBUF, Format::Protobuf),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Format::Text004),
            ("application/vnd.google.protobuf;encoding=delimited,text/plain;version=1.0.0;q=0.1", Format::Text100),
            ("text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2", Format::Text100),
            ("application/openmetrics-text;q=0", Format::Text004),
        ] {
            assert_eq!(wish(accept, true).format, expected, "{accept}");
        }
    }

    #[test]
    fn open_metrics_is_passed_over_where_it_is_not_enabled() {
        assert_eq!(wish(PROMETHEUS_3, false), Wish { format: Format::Text100, escaping: Escaping::AllowUtf8 });
        let native = Wish { format: Format::Protobuf, escaping: Escaping::AllowUtf8 };
        assert_eq!(wish(PROMETHEUS_3_NATIVE, false), native);
        // A client that states no escaping gets only names that it can read.
        assert_eq!(wish(PROTOBUF, false).escaping, Escaping::Underscores);
    }

    #[test]
    fn names_are_escaped_as_the_chosen_range_asks_and_never_quoted_in_the_older_text() {
        for (accept, expected) in [
            (
                "text/plain;version=1.0.0;escaping=dots;q=0.1, text/plain;version=0.0.4;escaping=values",
                Escaping::Values,
            ),
            ("text/plain;version=1.0.0;escaping=allow-utf-8", Escaping::AllowUtf8),
            ("text/plain;version=1.0.0", Escaping::Underscores),
            ("text/plain;version=1.0.0;escaping=none", Escaping::Underscores),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", Escaping::Underscores),
            ("*/*;escaping=dots", Escaping::Dots),
        ] {
            assert_eq!(wish(accept, true).escaping, expected, "{accept}");
        }
        let told = wish(&format!("{PROTOBUF};escaping=allow-utf-8"), false).content_type();
        let expected = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                        escaping=allow-utf-8";
        assert_eq!(told, expected);
    }

    #[test]
    fn gzip_is_taken_only_where_it_is_named_and_not_refused() {
        for (header, expected) in [
            ("", false),
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("br", false),
        ] {
            assert_eq!(takes_gzip(header), expected, "{header}");
        }
    }
}
