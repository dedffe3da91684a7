//! `connectors`: `performance`, and what is said of the others.

use super::components::{Component, Reading};
use super::service::{Service, stands_in};
use super::values::Values as _;
use super::{alerting, budgets, overrides};
use crate::catalog::pipelines;
use crate::catalog::yaml::MapReader;
use crate::engine::findings::PipelineOverride;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::pipeline::PipelineDef;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the rows of each resolution are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Rows of ten seconds.
    pub fine: Duration,
    /// Rows of a minute.
    pub minute: Duration,
    /// Rows of an hour.
    pub hour: Duration,
}

/// `connectors.performance`.
#[derive(Debug, Clone)]
pub struct PerformanceConfig {
    /// Its id: `performance` or `performance/name`.
    pub id: String,
    /// A folder with pipelines of the user's.
    pub pipelines_dir: Option<PathBuf>,
    /// A folder with schemas of the user's.
    pub schemas_dir: Option<PathBuf>,
    /// How often findings are evaluated.
    pub interval: Duration,
    /// How far a window's end lags behind now, so that late rows are in.
    pub lag: Duration,
    /// Time that one pipeline may take.
    pub timeout: Duration,
    /// Series of a rollup table that are kept apart; the rest is counted under one overflow series.
    pub series_max: usize,
    /// Memory of all rollup tables.
    pub memory_bytes_max: usize,
    /// How long rollups are kept.
    pub retention: RetentionConfig,
    /// The budgets.
    pub budgets: Vec<Budget>,
    /// Limits out of `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// Changes by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        PerformanceConfig {
            id: "performance".to_owned(),
            pipelines_dir: None,
            schemas_dir: None,
            interval: Duration::from_secs(5),
            lag: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            series_max: 10_000,
            memory_bytes_max: 256 << 20,
            retention: RetentionConfig { fine: hours(2), minute: hours(24), hour: hours(31 * 24) },
            budgets: Vec::new(),
            alerting: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}

const KNOWN: [&str; 3] = ["performance", "span_metrics", "spanmetrics"];
const OTHERS: &str = "is not offered here; run it in a Collector in front, which sends here with `otlp_grpc`";
const ROLLUP: &str = "is not offered here; write a rollup or view in SQL, in the folder that \
                      `connectors.performance.pipelines` names";
const INSTEAD: [(&str, &str); 6] = [
    ("forward", OTHERS),
    ("routing", OTHERS),
    ("failover", OTHERS),
    ("count", ROLLUP),
    ("servicegraph", ROLLUP),
    ("exceptions", ROLLUP),
];

/// Reads all connectors; without `performance`, its defaults.
pub(super) fn read(reading: &Reading<'_>, components: &[Component<'_>]) -> PerformanceConfig {
    let mut config: Option<PerformanceConfig> = None;
    for component in components {
        match component.kind {
            "performance" => {
                if let Some(first) = &config {
                    component
                        .fault(reading, format!("{:?} is there already; expected one `performance` in all", first.id));
                } else if let Some(map) = component.settings(reading) {
                    config = Some(performance(component.id, map));
                }
            }
            "span_metrics" | "spanmetrics" => {
                reading.note(
                    component.line,
                    &component.path,
                    "is built in: the `performance` connector gives the same metrics to the prometheus exporter",
                );
                if let Some(map) = component.settings(reading) {
                    span_metrics(reading, map);
                }
            }
            _ => reading.unknown(component, &KNOWN, &INSTEAD),
        }
    }
    config.unwrap_or_else(|| {
        let (budgets, alerting) = super::defaults();
        PerformanceConfig { budgets, alerting, ..PerformanceConfig::default() }
    })
}

fn performance(id: &str, map: MapReader<'_>) -> PerformanceConfig {
    let defaults = PerformanceConfig::default();
    let pipelines_dir = map.existing("pipelines", "a folder of SQL files", Path::is_dir);
    let schemas_dir = map.existing("schemas", "a folder of YAML files", Path::is_dir);
    let known = known_pipelines(pipelines_dir.as_deref());
    // What the file does not speak of stands in the default file; what it does is the user's alone.
    let given = |key| map.has(key);
    let default_limits =
        if given("budgets") && given("alerting") { (Vec::new(), Vec::new()) } else { super::defaults() };
    let config = PerformanceConfig {
        id: id.to_owned(),
        interval: interval(&map).unwrap_or(defaults.interval),
        lag: map.duration("lag").unwrap_or(defaults.lag),
        timeout: map.duration_above_zero("timeout").unwrap_or(defaults.timeout),
        series_max: map.count("series_max", 1).unwrap_or(defaults.series_max),
        memory_bytes_max: map.size("memory").unwrap_or(defaults.memory_bytes_max),
        retention: map.map("retention").map_or(defaults.retention, |map| retention(map, defaults.retention)),
        budgets: if given("budgets") {
            map.map("budgets").map(budgets::read).unwrap_or_default()
        } else {
            default_limits.0
        },
        alerting: if given("alerting") {
            map.map("alerting").map(|map| alerting::read(map, &known.pipelines)).unwrap_or_default()
        } else {
            default_limits.1
        },
        overrides: map.map("findings").map(|map| overrides::read(&map, &known)).unwrap_or_default(),
        pipelines_dir,
        schemas_dir,
    };
    map.finish();
    config
}

fn interval(map: &MapReader<'_>) -> Option<Duration> {
    let least = Duration::from_millis(100);
    let expected = "a duration such as 5s, at least 100ms";
    map.parsed("interval", expected, |text| crate::model::units::duration(text).filter(|interval| *interval >= least))
}

fn retention(map: MapReader<'_>, defaults: RetentionConfig) -> RetentionConfig {
    let retention = RetentionConfig {
        fine: map.duration_above_zero("fine").unwrap_or(defaults.fine),
        minute: map.duration_above_zero("minute").unwrap_or(defaults.minute),
        hour: map.duration_above_zero("hour").unwrap_or(defaults.hour),
    };
    if retention.fine > retention.minute || retention.minute > retention.hour {
        map.fault("fine", "expected fine <= minute <= hour: coarser rows stand in for finer ones that have expired");
    }
    map.finish();
    retention
}

/// The pipelines whose limits and parameters can be set.
pub(super) struct KnownPipelines {
    pub(super) pipelines: Vec<PipelineDef>,
    /// False where a file of the user's cannot be read: then a name that is not known may yet be one of its.
    pub(super) complete: bool,
}

fn known_pipelines(dir: Option<&Path>) -> KnownPipelines {
    // Faults of the files themselves are told by whoever loads them to run them.
    let builtin = pipelines::builtin().unwrap_or_default();
    let Some(dir) = dir else { return KnownPipelines { pipelines: builtin, complete: true } };
    let mut read = pipelines::read_dir(dir, builtin);
    // What a faulty file says of its limits and parameters may be half of it.
    read.pipelines.retain(|pipeline| !read.faults.iter().any(|fault| fault.file == pipeline.file));
    KnownPipelines { pipelines: read.pipelines, complete: read.faults.is_empty() }
}

/// What the built-in metrics are like; whatever a file asks for beyond it is a fault.
fn span_metrics(reading: &Reading<'_>, map: MapReader<'_>) {
    const BUCKETS_MS: [f64; 16] =
        [2., 4., 6., 8., 10., 50., 100., 200., 400., 800., 1000., 1400., 2000., 5000., 10_000., 15_000.];
    let sql = "write a rollup in SQL for it, in the folder that `connectors.performance.pipelines` names";
    for key in ["dimensions", "calls_dimensions", "exclude_dimensions"] {
        if !map.list(key).unwrap_or_default().is_empty() {
            map.fault(key, format!("expected none, since the built-in metrics have the default dimensions; {sql}"));
        }
    }
    if let Some(namespace) = map.text("namespace").filter(|namespace| namespace != "traces.span.metrics") {
        map.fault("namespace", format!("expected traces.span.metrics, found {namespace:?}"));
    }
    if map.text("aggregation_temporality").is_some_and(|temporality| !temporality.ends_with("CUMULATIVE")) {
        map.fault("aggregation_temporality", "expected AGGREGATION_TEMPORALITY_CUMULATIVE, as Prometheus needs it");
    }
    if let Some(histogram) = map.map("histogram") {
        if histogram.text("unit").is_some_and(|unit| unit != "ms") {
            histogram.fault("unit", "expected ms, in which the built-in metrics are");
        }
        if histogram.bool("disable") == Some(true) {
            histogram.fault("disable", "expected false: calls and durations are counted together");
        }
        if histogram.given("exponential") {
            histogram.fault("exponential", format!("expected `explicit`, which is all that is offered yet; or {sql}"));
        }
        histogram.get("dimensions");
        if let Some(explicit) = histogram.map("explicit") {
            let buckets = explicit.list("buckets").unwrap_or_default().iter();
            let found: Vec<Option<f64>> =
                buckets.map(|node| crate::model::units::duration_ms(&node.scalar().unwrap_or_default())).collect();
            if explicit.given("buckets") && !found.iter().copied().eq(BUCKETS_MS.iter().map(|ms| Some(*ms))) {
                explicit
                    .fault("buckets", "expected the connector's default buckets, which are counted exactly; remove it");
            }
            explicit.finish();
        }
        histogram.finish();
    }
    reading.without_effect(
        &map,
        &[
            "exemplars",
            "events",
            "aggregation_cardinality_limit",
            "metrics_expiration",
            "series_expiration",
            "metrics_flush_interval",
            "resource_metrics_key_attributes",
            "metric_timestamp_cache_size",
            "dimensions_cache_size",
            "include_instrumentation_scope",
            "add_resource_attributes",
        ],
    );
    map.finish();
}

/// Says where `performance` reads more than the file says.
pub(super) fn check_attached(reading: &Reading<'_>, service: &Service, id: &str) {
    let takes = |pipeline: &&super::service::Pipeline| stands_in(&pipeline.exporters, id);
    if !service.pipelines.iter().any(|pipeline| takes(&pipeline)) {
        let message = "`performance` stands in no pipeline's exporters, so it is attached to all receivers";
        reading.note(0, "service.pipelines", message);
        return;
    }
    let covered = |pipeline: &super::service::Pipeline| {
        let others = service.pipelines.iter().filter(takes).filter(|other| other.signal == pipeline.signal);
        let covered: Vec<&str> = others.flat_map(|other| &other.receivers).map(|named| named.id.as_str()).collect();
        pipeline.receivers.iter().all(|named| covered.contains(&named.id.as_str()))
    };
    let from_outside = |pipeline: &&super::service::Pipeline| !stands_in(&pipeline.receivers, id);
    for pipeline in service.pipelines.iter().filter(from_outside).filter(|pipeline| !covered(pipeline)) {
        let message = "does not lead to `performance`, which reads all that is received all the same";
        reading.note(pipeline.line, &pipeline.path, message);
    }
}
