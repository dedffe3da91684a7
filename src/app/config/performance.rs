//! `connectors`: `performance`, and messages about the others.

use super::alerting::{Judging, SlowRequest};
use super::known_pipelines::KnownPipelines;
use super::service::{Service, stands_in};
use super::{alerting, budgets, known_pipelines, overrides, span_metrics};
use crate::catalog::component::{Component, Reading};
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::engine::findings::PipelineOverride;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::pipeline::PipelineDef;
use crate::model::units::human_ms;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Retention of the rows of each resolution.
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
    /// Directory of the user's pipelines.
    pub pipelines_dir: Option<PathBuf>,
    /// Directory of the user's schemas.
    pub schemas_dir: Option<PathBuf>,
    /// Evaluation interval of findings.
    pub interval: Duration,
    /// Delay of the end of a window behind now, so that late rows are included.
    pub lag: Duration,
    /// Timeout of one pipeline.
    pub timeout: Duration,
    /// Interval of passing derived metrics to exporters.
    pub metrics_flush_interval: Duration,
    /// Cardinality limit of a rollup table; further series are counted in one overflow series.
    pub series_max: usize,
    /// Memory limit of all rollup tables if configured; otherwise they get their share.
    pub memory_bytes: Option<usize>,
    /// Retention of rollups.
    pub retention: RetentionConfig,
    /// The budgets.
    pub budgets: Vec<Budget>,
    /// Limits from `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// Changes by pipeline id.
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
            metrics_flush_interval: Duration::from_mins(1),
            series_max: 10_000,
            memory_bytes: None,
            retention: RetentionConfig { fine: hours(2), minute: hours(24), hour: hours(31 * 24) },
            budgets: Vec::new(),
            alerting: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}

/// The finding with the longest window, and the budget that it needs.
const AVAILABILITY: (&str, &str) = ("availability_budget", "availability");

const KNOWN: [&str; 3] = ["performance", "span_metrics", "spanmetrics"];
const OTHERS: &str = "is not supported here; run it in a Collector in front, which sends here with `otlp_grpc`";
const ROLLUP: &str = "is not supported here; write a rollup or view in SQL, in the folder that \
                      `connectors.performance.pipelines` names";
const OTHERS_DO: &str = "run it in a Collector in front, which sends here with `otlp_grpc`";
const INSTEAD: [(&str, &str); 12] = [
    ("forward", OTHERS),
    ("routing", OTHERS),
    ("failover", OTHERS),
    ("roundrobin", OTHERS),
    ("otlpjson", OTHERS),
    ("datadog", OTHERS),
    ("grafanacloud", OTHERS),
    ("count", ROLLUP),
    ("sum", ROLLUP),
    ("signaltometrics", ROLLUP),
    ("servicegraph", ROLLUP),
    ("exceptions", ROLLUP),
];

/// Returns the budgets and alerts for a file without any.
type Defaults = fn() -> (Vec<Budget>, Vec<AlertLimit>);

/// Reads all connectors; without `performance`, returns its defaults.
pub(super) fn read(reading: &Reading<'_>, components: &[Component<'_>], defaults: Defaults) -> PerformanceConfig {
    let mut config: Option<PerformanceConfig> = None;
    for component in components {
        match component.kind {
            "performance" => {
                if let Some(first) = &config {
                    component.fault(
                        reading,
                        format!("{:?} is already configured; expected only one `performance`", first.id),
                    );
                } else if let Some(map) = component.settings(reading) {
                    config = Some(performance(reading, component.id, map, defaults));
                }
            }
            "span_metrics" | "spanmetrics" => {
                reading.note(
                    component.line,
                    &component.path,
                    "is built in: the `performance` connector gives the same metrics to the exporters",
                );
                if let Some(map) = component.settings(reading) {
                    span_metrics::read(reading, &map);
                    map.finish();
                }
            }
            _ => reading.unknown(component, &KNOWN, &INSTEAD, OTHERS_DO),
        }
    }
    config.unwrap_or_else(|| {
        let (budgets, alerting) = defaults();
        PerformanceConfig { budgets, alerting, ..PerformanceConfig::default() }
    })
}

fn performance(reading: &Reading<'_>, id: &str, map: MapReader<'_>, limits: Defaults) -> PerformanceConfig {
    let defaults = PerformanceConfig::default();
    let pipelines_dir = map.existing("pipelines", "a folder of SQL files", Path::is_dir);
    let schemas_dir = map.existing("schemas", "a folder of YAML files", Path::is_dir);
    let known = known_pipelines::read(pipelines_dir.as_deref());
    // A section missing in the file is taken from the default file; a section that is present replaces it completely.
    let given = |key| map.has(key);
    let default_limits = if given("budgets") && given("alerting") { (Vec::new(), Vec::new()) } else { limits() };
    let retention = map.map("retention").map_or(defaults.retention, |map| retention(map, defaults.retention));
    let judging = Judging { reading, kept: retention.hour };
    let mut overrides = map.map("findings").map(|map| overrides::read(judging, &map, &known)).unwrap_or_default();
    let (alerting, slow) = if given("alerting") {
        map.map("alerting").map(|map| alerting::read(judging, map, &known.pipelines)).unwrap_or_default()
    } else {
        (default_limits.1, SlowRequest::default())
    };
    slow.settle(&mut overrides);
    let config = PerformanceConfig {
        id: id.to_owned(),
        interval: interval(&map).unwrap_or(defaults.interval),
        lag: map.duration("lag").unwrap_or(defaults.lag),
        timeout: map.duration_above_zero("timeout").unwrap_or(defaults.timeout),
        metrics_flush_interval: map
            .duration_above_zero("metrics_flush_interval")
            .unwrap_or(defaults.metrics_flush_interval),
        series_max: map.count("series_max", 1).unwrap_or(defaults.series_max),
        memory_bytes: map.space("memory"),
        retention,
        budgets: if given("budgets") {
            map.map("budgets").map(|map| budgets::read(map, reading.is_embedded())).unwrap_or_default()
        } else {
            default_limits.0
        },
        alerting,
        overrides,
        pipelines_dir,
        schemas_dir,
    };
    note_short_retention(judging, &map, &config, &known);
    map.finish();
    config
}

/// Adds a note for each evaluated window that is longer than the retention of rows.
fn note_short_retention(judging: Judging<'_>, map: &MapReader<'_>, config: &PerformanceConfig, known: &KnownPipelines) {
    let kept_ms = i64::try_from(judging.kept.as_millis()).unwrap_or(i64::MAX);
    let judged = |pipeline: &&PipelineDef| {
        let Some(finding) = &pipeline.finding else { return false };
        let changes = config.overrides.get(&pipeline.id);
        let off = changes.is_some_and(|changes| changes.disabled || changes.window_ms.is_some());
        let asked =
            !finding.alerting_only || config.alerting.iter().any(|limit| finding.alerting.as_ref() == Some(&limit.key));
        let promised =
            pipeline.id != AVAILABILITY.0 || config.budgets.iter().any(|budget| budget.name == AVAILABILITY.1);
        !off && asked && promised
    };
    for pipeline in known.pipelines.iter().filter(judged).filter(|pipeline| pipeline.window_ms > kept_ms) {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let (window, kept) = (human_ms(pipeline.window_ms as f64), human_ms(kept_ms as f64));
        let message = format!("{} judges {window}, of which only {kept} are kept", pipeline.id);
        judging.reading.note(map.get("retention").map_or(0, |node| node.line), map.path("retention.hour"), message);
    }
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
        map.fault("fine", "expected fine <= minute <= hour: coarser rows replace finer ones that have expired");
    }
    map.finish();
    retention
}

/// Adds notes where `performance` reads more data than the pipelines specify.
pub(super) fn check_attached(reading: &Reading<'_>, service: &Service, id: &str) {
    let takes = |pipeline: &&super::service::Pipeline| stands_in(&pipeline.exporters, id);
    if !service.pipelines.iter().any(|pipeline| takes(&pipeline)) {
        let message = "`performance` is not an exporter of any pipeline, so it is attached to all receivers";
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
        let message = "does not lead to `performance`, which reads all received data anyway";
        reading.note(pipeline.line, &pipeline.path, message);
    }
}
