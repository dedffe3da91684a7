//! Content negotiation of a scrape, as `Accept` and `Accept-Encoding` ask for it.

use super::text::Format;

/// The format that the client likes best; of equals the first named; text 0.0.4 where nothing fits.
pub(super) fn format(accept: &str) -> Format {
    best(accept, |range, parameters| {
        let version = parameters.iter().find(|(name, _)| *name == "version").map(|(_, value)| *value);
        match (range, version) {
            ("application/openmetrics-text", None | Some("1.0.0")) => Some(Format::OpenMetrics),
            ("text/plain", Some("1.0.0")) => Some(Format::Text100),
            ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Some(Format::Text004),
            _ => None,
        }
    })
    .unwrap_or(Format::Text004)
}

/// True if the client takes gzip.
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

/// Each range with its parameters and its quality.
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
            // Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;\
                 version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;\
                 q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2", Format::Text100),
            ("application/openmetrics-text;q=0", Format::Text004),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
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
