//! Expected names: the examples of the specification, and the output of `otlptranslator`.

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
fn labels_are_escaped() {
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
}

/// Expected values: the output of `otlptranslator` 1.0.0.
#[test]
fn each_strategy_names_as_the_oracle_does() {
    use Translation::{NoTranslation, NoUtf8EscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes};
    for (strategy, namespace, name, unit, kind, expected) in [
        (UnderscoreEscapingWithoutSuffixes, "", "http.server__total", "s", Counter, "http_server__total"),
        (UnderscoreEscapingWithoutSuffixes, "", "___", "", Gauge, "___"),
        (UnderscoreEscapingWithoutSuffixes, "", "9.a", "", Gauge, "_9_a"),
        (UnderscoreEscapingWithoutSuffixes, "ns", "é.x", "1", Gauge, "ns_x"),
        (NoUtf8EscapingWithSuffixes, "", "http.server.duration", "s", Histogram, "http.server.duration_seconds"),
        (NoUtf8EscapingWithSuffixes, "", "größe_total", "By", Counter, "größe_bytes_total"),
        (NoUtf8EscapingWithSuffixes, "ns", "cpu.ratio", "1", Gauge, "ns_cpu_ratio"),
        (NoUtf8EscapingWithSuffixes, "", "speed", "m/s", Gauge, "speed_meters_per_second"),
        (NoUtf8EscapingWithSuffixes, "", "", "", Counter, "_total"),
        (NoTranslation, "ns", "a b.c", "s", Counter, "ns_a b.c"),
    ] {
        let named = strategy.family(namespace, name, unit, kind).map(|named| named.full);
        assert_eq!(named.as_deref(), Some(expected), "{strategy:?} {name}");
    }
    assert_eq!(NoTranslation.family("", "", "s", Gauge), None);
    assert_eq!(UnderscoreEscapingWithoutSuffixes.family("", "é", "", Gauge), None);
    assert_eq!(NoTranslation.label("host.name").as_deref(), Some("host.name"));
    assert_eq!(NoTranslation.label("__"), None);
}
