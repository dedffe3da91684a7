//! OpenTelemetry names as Prometheus writes them: the strategy `UnderscoreEscapingWithSuffixes` of the OpenTelemetry
//! compatibility specification. The oracle is the Go module `prometheus/otlptranslator`.

use crate::model::scrape::FamilyKind;
use std::collections::BTreeMap;

/// Units that have a word of their own. Any other unit stands as it is, its signs escaped.
const UNIT_WORDS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// Units after a slash, in the singular.
const PER_WORDS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// A family's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FamilyName {
    /// With every suffix: what a number is printed under.
    pub(super) full: String,
    /// The unit's words, where the name ends in them (before `_total`): what `OpenMetrics` prints as `# UNIT`.
    pub(super) unit: Option<String>,
    /// The unit's words, wherever they stand in the name; empty where it has none.
    pub(super) words: String,
}

/// The settings' namespace as it may stand in a name.
pub(super) fn namespace(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join("_")
}

/// The name of a family; `None` where nothing of it would be left.
pub(super) fn family_name(namespace: &str, name: &str, unit: &str, kind: FamilyKind) -> Option<FamilyName> {
    let mut tokens: Vec<String> = tokens(name).map(str::to_owned).collect();
    let (main, per) = unit_words(unit);
    let fresh = |word: &String| !word.is_empty() && !tokens.contains(word);
    let added: Vec<String> = [main.clone(), per.clone()].into_iter().filter(fresh).collect();
    tokens.extend(added);
    match kind {
        FamilyKind::Counter => move_last(&mut tokens, "total"),
        FamilyKind::Gauge if unit == "1" => move_last(&mut tokens, "ratio"),
        _ => {}
    }
    if tokens.is_empty() {
        return None;
    }
    if !namespace.is_empty() {
        tokens.insert(0, namespace.to_owned());
    }
    let mut full = tokens.join("_");
    if full.starts_with(|c: char| c.is_ascii_digit()) {
        full.insert(0, '_');
    }
    let words = [main, per].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join("_");
    let words = words.trim_matches('_').to_owned();
    let is_last = !words.is_empty() && base_name(&full, kind).ends_with(&format!("_{words}"));
    Some(FamilyName { unit: is_last.then(|| words.clone()), words, full })
}

/// The name of the family in `OpenMetrics`, which leaves the `_total` of a counter to its samples.
pub(super) fn base_name(full: &str, kind: FamilyKind) -> &str {
    if kind == FamilyKind::Counter { full.strip_suffix("_total").unwrap_or(full) } else { full }
}

/// A label's name; `None` where nothing but underscores would be left.
pub(super) fn label_name(name: &str) -> Option<String> {
    let reserved = name.len() >= 4 && name.starts_with("__") && name.ends_with("__");
    let inner = if reserved { &name[2..name.len() - 2] } else { name };
    let mut out = escaped(inner, |c| c.is_ascii_alphanumeric());
    if reserved {
        out = format!("__{out}__");
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    }
    out.contains(|c| c != '_').then_some(out)
}

/// Attributes as labels. Names that become one are joined with `;`, in the order of the original names; an empty value
/// is no label at all.
pub(super) fn labels(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in attributes {
        let Some(label) = label_name(name).filter(|_| !value.is_empty()) else { continue };
        match out.get_mut(&label) {
            Some(held) => {
                held.push(';');
                held.push_str(value);
            }
            None => {
                out.insert(label, value.clone());
            }
        }
    }
    out
}

/// Words of a unit and of what follows its slash (`per_second`), either of them empty where there is none.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = match main.trim() {
        "1" => String::new(),
        word => unit_word(word, &UNIT_WORDS),
    };
    let per = unit_word(per.trim(), &PER_WORDS);
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    // A token of the name never ends in an underscore; neither may the last one added.
    let main = if per.is_empty() { main } else { main.trim_end_matches('_').to_owned() };
    (main, per.trim_end_matches('_').to_owned())
}

fn unit_word(unit: &str, words: &[(&str, &str)]) -> String {
    if unit.contains(['{', '}']) {
        return String::new();
    }
    let word = words.iter().find(|(code, _)| *code == unit).map_or(unit, |(_, word)| word);
    escaped(word, is_name_char).trim_start_matches('_').to_owned()
}

fn tokens(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c| !is_name_char(c)).filter(|token| !token.is_empty())
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// Every run of other characters becomes one underscore.
fn escaped(text: &str, is_good: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_good(c) {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

fn move_last(tokens: &mut Vec<String>, word: &str) {
    tokens.retain(|token| token != word);
    tokens.push(word.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use FamilyKind::{Counter, Gauge, Histogram, Summary, UpDown};

    fn full(name: &str, unit: &str, kind: FamilyKind) -> Option<String> {
        family_name("", name, unit, kind).map(|n| n.full)
    }

    /// Expected values: the examples of the compatibility specification and the table of `otlptranslator`'s tests.
    #[test]
    fn families_are_named_as_the_specification_says() {
        for (name, unit, kind, expected) in [
            ("traces.span.metrics.calls", "", Counter, "traces_span_metrics_calls_total"),
            ("traces.span.metrics.duration", "ms", Histogram, "traces_span_metrics_duration_milliseconds"),
            ("http.server.request.duration", "s", Histogram, "http_server_request_duration_seconds"),
            ("system.filesystem.usage", "GiBy", Gauge, "system_filesystem_usage_gibibytes"),
            ("system.io", "By", Counter, "system_io_bytes_total"),
            ("redis.latest_fork", "us", Gauge, "redis_latest_fork_microseconds"),
            ("nginx.connections", "{connections}", Counter, "nginx_connections_total"),
            ("broken.metric.speed", "m/s", Gauge, "broken_metric_speed_meters_per_second"),
            ("astro.light.speed_limit", "m/s", Gauge, "astro_light_speed_limit_meters_per_second"),
            ("bsd.memory.occupied", "By/m", Gauge, "bsd_memory_occupied_bytes_per_minute"),
            ("memcached.operation_hit_ratio", "%", Gauge, "memcached_operation_hit_ratio_percent"),
            ("system.cpu.utilization", "1", Gauge, "system_cpu_utilization_ratio"),
            ("cpu_usage_ratio", "1", Gauge, "cpu_usage_ratio"),
            ("items", "1", Counter, "items_total"),
            ("items", "1", UpDown, "items"),
            ("items", "1", Histogram, "items"),
            ("requests", "1/s", Gauge, "requests_per_second"),
            ("custom_metric", "custom_unit", Gauge, "custom_metric_custom_unit"),
            ("custom_metric", "By/{custom}", Gauge, "custom_metric_bytes"),
            ("response_time_seconds", "s", Summary, "response_time_seconds"),
            ("requests_total", "", Counter, "requests_total"),
            ("cpu_seconds_total", "s", Counter, "cpu_seconds_total"),
            ("metric@@##$$name", "", Gauge, "metric_name"),
            ("__leading_and_trailing__", "", Gauge, "leading_and_trailing"),
            ("123metric", "", Gauge, "_123metric"),
            ("größe", "", Gauge, "gr_e"),
            ("rule:sum", "", Gauge, "rule:sum"),
        ] {
            assert_eq!(full(name, unit, kind).as_deref(), Some(expected), "{name} [{unit}] {kind:?}");
        }
        assert_eq!(full("@#$%", "", Gauge), None);
        assert_eq!(family_name("shop", "items", "", Counter).map(|n| n.full).as_deref(), Some("shop_items_total"));
    }

    #[test]
    fn a_namespace_is_a_name_too() {
        for (text, expected) in [("shop", "shop"), ("my.ns-1", "my_ns_1"), ("", ""), (".", "")] {
            assert_eq!(namespace(text), expected);
        }
        let digits = family_name(&namespace("1st"), "items", "", Gauge).map(|n| n.full);
        assert_eq!(digits.as_deref(), Some("_1st_items"));
    }

    #[test]
    fn the_unit_is_named_only_where_the_name_ends_in_it() {
        let unit = |name, unit, kind| family_name("", name, unit, kind).and_then(|n| n.unit);
        assert_eq!(unit("system.io", "By", Counter).as_deref(), Some("bytes"));
        assert_eq!(unit("speed", "m/s", Gauge).as_deref(), Some("meters_per_second"));
        assert_eq!(unit("seconds.of.work", "s", Gauge), None);
        assert_eq!(unit("items", "{item}", Gauge), None);
    }

    #[test]
    fn labels_are_escaped_and_joined_where_they_meet() {
        for (name, expected) in [
            ("http.request.method", "http_request_method"),
            ("http.request.header.x--id", "http_request_header_x_id"),
            ("0day", "key_0day"),
            ("_private", "_private"),
            ("__name__", "__name__"),
            ("ключ", "_"),
        ] {
            let expected = Some(expected.to_owned()).filter(|e| e != "_");
            assert_eq!(label_name(name), expected, "{name}");
        }
        let attributes = [("a.b", "1"), ("a_b", "2"), ("a-b", "0"), ("c", "")];
        let attributes = attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        // '-' sorts before '.', which sorts before '_'.
        assert_eq!(labels(&attributes), [("a_b".to_owned(), "0;1;2".to_owned())].into());
    }
}
