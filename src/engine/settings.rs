//! Settings of the engine.

use super::findings::PipelineOverride;
use super::rollups::Retention;
use super::worker::PoolSettings;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use std::collections::BTreeMap;
use std::time::Duration;

/// Settings that are fixed while the engine runs, unlike [`Rules`].
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Maximum time between flushes; a shorter evaluation interval takes precedence.
    pub flush: Duration,
    /// Interval of compaction, which merges parts and drops expired rows.
    pub compaction: Duration,
    /// Maximum number of series of a rollup table, and of metric series with a last value. Beyond it, rows are counted
    /// under overflow series, or omitted from the scrape.
    pub series_max: usize,
    /// Time after its last point for which the last value of a series stays in the scrape.
    pub values_kept: Duration,
    /// Retention of each resolution.
    pub retention: Retention,
    /// Memory limit of all rollup tables; the last points of counters get another eighth of it. Beyond the limit, the
    /// finest rows are dropped early.
    pub rollup_bytes_max: usize,
    /// Settings of external queries and their workers.
    pub queries: PoolSettings,
}

/// Memory of a counter's last point, including spare capacity of the table.
pub(crate) const COUNTER_BYTES: usize = 128;
/// Memory limit of counters: the limit of the rollups divided by this, in addition to it.
pub(crate) const COUNTERS_SHARE: usize = 8;

impl EngineSettings {
    /// Maximum number of tracked cumulative counters. Independent of `series_max`, because counters that no rollup
    /// reads must not displace those that one reads.
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

/// Rules of the evaluation, which a reload replaces.
#[derive(Debug, Clone)]
pub struct Rules {
    /// All pipelines.
    pub pipelines: Vec<PipelineDef>,
    /// Interval at which findings are evaluated.
    pub interval: Duration,
    /// Lag of a window's end behind the current time, so that late rows are included.
    pub lag: Duration,
    /// Timeout of one pipeline.
    pub timeout: Duration,
    /// The user's budgets.
    pub budgets: Vec<Budget>,
    /// Limits from `alerting`.
    pub alerting: Vec<AlertLimit>,
    /// The user's overrides, by pipeline.
    pub overrides: BTreeMap<String, PipelineOverride>,
}

impl Rules {
    /// Creates rules of these pipelines without budgets or overrides.
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

    /// Returns the enabled pipelines with the user's parameters.
    pub(crate) fn in_force(&self) -> Vec<PipelineDef> {
        in_force(&self.pipelines, &self.overrides)
    }
}

/// Returns the pipelines that are not disabled, with the user's parameters.
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

/// Definitions with which the engine starts or reloads.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// All tables.
    pub tables: Vec<TableDef>,
    /// The rules.
    pub rules: Rules,
}
