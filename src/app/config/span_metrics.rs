//! `connectors.span_metrics`: describes the built-in metrics, and reports settings that ask for others.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::model::units::duration_ms;

const BUCKETS_MS: [f64; 16] =
    [2., 4., 6., 8., 10., 50., 100., 200., 400., 800., 1000., 1400., 2000., 5000., 10_000., 15_000.];
const SQL: &str = "write a rollup in SQL for it, in the folder that `connectors.performance.pipelines` names";
const NO_DIMENSIONS: &str = "expected none, since the built-in metrics have the default dimensions";

/// Reports settings that change the metrics as faults, and other unsupported ones as notes.
pub(super) fn read(reading: &Reading<'_>, map: &MapReader<'_>) {
    for key in ["dimensions", "calls_dimensions", "exclude_dimensions", "include_instrumentation_scope"] {
        if !map.list(key).unwrap_or_default().is_empty() {
            map.fault(key, format!("{NO_DIMENSIONS}; {SQL}"));
        }
    }
    if let Some(namespace) = map.text("namespace").filter(|namespace| namespace != "traces.span.metrics") {
        map.fault("namespace", format!("expected traces.span.metrics, found {namespace:?}"));
    }
    if map.text("aggregation_temporality").is_some_and(|temporality| !temporality.ends_with("CUMULATIVE")) {
        map.fault("aggregation_temporality", "expected AGGREGATION_TEMPORALITY_CUMULATIVE, as Prometheus needs it");
    }
    if let Some(histogram) = map.map("histogram") {
        self::histogram(histogram);
    }
    for key in ["add_resource_attributes", "enable_metrics_sampling_method"] {
        if map.bool(key) == Some(true) {
            map.fault(key, format!("expected false, since the built-in metrics have the default dimensions; {SQL}"));
        }
    }
    if let Some(events) = map.map("events") {
        if events.bool("enabled") == Some(true) {
            events.fault("enabled", format!("expected false, since no events metric is made; {SQL}"));
        }
        events.get("dimensions");
        events.finish();
    }
    if let Some(exemplars) = map.map("exemplars") {
        if exemplars.bool("enabled") == Some(true) {
            let message = "the scrape has no exemplars; findings name their traces";
            reading.note_key(&exemplars, "enabled", message);
        }
        exemplars.get("max_per_data_point");
        exemplars.finish();
    }
    if map.given("resource_metrics_key_attributes") && map.strs("resource_metrics_key_attributes") != ["service.name"] {
        reading.note_key(map, "resource_metrics_key_attributes", "is ignored: series are those of [service.name]");
    }
    let kept = "is ignored: counters are kept over restarts and never expire";
    reading.note_key(map, "metrics_expiration", kept);
    reading.note_key(map, "series_expiration", kept);
    let bounded = "is ignored: `connectors.performance.series_max` limits the series instead";
    reading.note_key(map, "aggregation_cardinality_limit", bounded);
    reading.without_effect(
        map,
        &[
            "metrics_flush_interval",
            "metric_timestamp_cache_size",
            "dimensions_cache_size",
            "resource_metrics_cache_size",
        ],
    );
}

fn histogram(histogram: MapReader<'_>) {
    if histogram.text("unit").is_some_and(|unit| unit != "ms") {
        histogram.fault("unit", "expected ms, the unit of the built-in metrics");
    }
    if histogram.bool("disable") == Some(true) {
        histogram.fault("disable", "expected false: calls and durations are counted together");
    }
    if histogram.given("exponential") {
        histogram.fault("exponential", format!("expected `explicit`, the only supported kind; or {SQL}"));
    }
    if !histogram.list("dimensions").unwrap_or_default().is_empty() {
        histogram.fault("dimensions", format!("{NO_DIMENSIONS}; {SQL}"));
    }
    if let Some(explicit) = histogram.map("explicit") {
        let buckets = explicit.list("buckets").unwrap_or_default().iter();
        let found: Vec<Option<f64>> = buckets.map(|node| duration_ms(&node.scalar().unwrap_or_default())).collect();
        if explicit.given("buckets") && !found.iter().copied().eq(BUCKETS_MS.iter().map(|ms| Some(*ms))) {
            explicit.fault("buckets", "expected the connector's default buckets, which are counted exactly; remove it");
        }
        explicit.finish();
    }
    histogram.finish();
}
