//! What the engine may be told.

use super::findings::PipelineOverride;
use super::rollups::Retention;
use super::worker::PoolSettings;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the engine works; [`Rules`] can change while it runs, this cannot.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How often new rows are taken into the rollups, at least: as often as findings are evaluated where that is more often.
    pub flush: Duration,
    /// How often maintenance joins parts and drops what has expired.
    pub compaction: Duration,
    /// Series of a rollup table, and of the metrics whose last values are kept, that are kept apart at a time; the rest is
    /// counted under overflow series, or not shown by the scrape.
    pub series_max: usize,
    /// How long the last value of a metric's series is kept for the scrape after it came in.
    pub values_kept: Duration,
    /// How long each resolution is kept.
    pub retention: Retention,
    /// Memory of all rollup tables, and an eighth of it besides for the last points of counters; beyond it the finest rows are dropped before their time.
    pub rollup_bytes_max: usize,
    /// Queries from outside, and their workers.
    pub queries: PoolSettings,
}

/// What the last point of a counter takes in memory, with the table's room to grow.
pub(crate) const COUNTER_BYTES: usize = 128;
/// Counters take this part of the rollups' memory besides it, one in so many.
pub(crate) const COUNTERS_SHARE: usize = 8;

impl EngineSettings {
    /// Cumulative counters whose increase is known. It is no matter of series of a table: counters that no rollup reads
    /// must not take the place of those that one does.
    #[must_use]
    pub(crate) fn counters_max(&self) -> usize {
        (self.rollup_bytes_max / COUNTERS_SHARE / COUNTER_BYTES).max(self.series_max)
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            flush: Duration::from_secs(5),
            compaction: Duration::from_mins(1),
            series_max: 10_000,
            values_kept: Duration::from_mins(5),
            retention: Retention { fine_ms: 2 * HOUR_MS, minute_ms: 24 * HOUR_MS, hour_ms: 31 * 24 * HOUR_MS },
            rollup_bytes_max: 256 << 20,
            queries: PoolSettings::default(),
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

/// What is judged, and how: what a reload changes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// All pipelines.
    pub pipelines: Vec<PipelineDef>,
    /// How often findings are evaluated.
    pub interval: Duration,
    /// How far a window's end lags behind now, so that late rows are in.
    pub lag: Duration,
    /// Time that one pipeline may take.
    pub timeout: Duration,
    /// The user's budgets.
    pub budgets: Vec<Budget>,
    /// Limits out of `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// The user's changes by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
}

impl Rules {
    /// These pipelines without budgets or changes.
    #[must_use]
    pub fn of(pipelines: Vec<PipelineDef>) -> Rules {
        Rules {
            pipelines,
            interval: Duration::from_secs(5),
            lag: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            budgets: Vec::new(),
            alerting: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }

    /// The pipelines that run, with the parameters that the user gave them.
    pub(crate) fn in_force(&self) -> Vec<PipelineDef> {
        in_force(&self.pipelines, &self.overrides)
    }
}

/// The pipelines that are not disabled, with the user's parameters.
#[must_use]
pub fn in_force(pipelines: &[PipelineDef], overrides: &BTreeMap<String, PipelineOverride>) -> Vec<PipelineDef> {
    let changed = |pipeline: &PipelineDef| {
        let mut pipeline = pipeline.clone();
        if let Some(changes) = overrides.get(&pipeline.id) {
            pipeline.params.extend(changes.params.clone());
            return (!changes.disabled).then_some(pipeline);
        }
        Some(pipeline)
    };
    pipelines.iter().filter_map(changed).collect()
}

/// The definitions that stay while the engine runs.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// All tables.
    pub tables: Vec<TableDef>,
    /// What is judged at first.
    pub rules: Rules,
}
